//! Long lists come in pages: `limit` says how many at most, `cursor` where the last page ended, and `next` of the answer is
//! the cursor of the next page. A cursor is what the list is ordered by, so that it holds when the list changes.

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Problem;

/// The query of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// At most so many; 1000 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where the page before ended: its `next`.
    pub cursor: Option<String>,
}

const MOST: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Each key is greater than the one before.
    Ascending,
    Descending,
}

impl Page {
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(MOST) {
            limit @ 1..=MOST => Ok(limit as usize),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, &format!("`limit` is 1 to {MOST}"))),
        }
    }

    /// The page of a list that is ordered by a key, and the cursor of the next one.
    pub fn of<T>(
        &self,
        all: Vec<T>,
        order: Order,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = self.limit()?;
        let is_after = |one: &T| match (&self.cursor, order) {
            (None, _) => true,
            (Some(cursor), Order::Ascending) => key(one) > *cursor,
            (Some(cursor), Order::Descending) => key(one) < *cursor,
        };
        let mut rest = all.into_iter().filter(is_after).peekable();
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let next = rest.peek().and_then(|_| page.last().map(&key));
        Ok((page, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap_also_when_the_list_changes() {
        let check = |limit, cursor: Option<&str>, order, expected: &str, next: Option<&str>| {
            let page = Page { limit: Some(limit), cursor: cursor.map(str::to_owned) };
            let all = match order {
                Order::Ascending => vec!["a", "b", "d"],
                Order::Descending => vec!["d", "b", "a"],
            };
            let (found, found_next) = page.of(all, order, |one| (*one).to_owned()).unwrap();
            assert_eq!((found.concat().as_str(), found_next.as_deref()), (expected, next));
        };
        check(2, None, Order::Ascending, "ab", Some("b"));
        check(2, Some("b"), Order::Ascending, "d", None);
        check(2, Some("c"), Order::Ascending, "d", None);
        check(3, None, Order::Ascending, "abd", None);
        check(1, Some("d"), Order::Descending, "b", Some("b"));
        check(9, Some("c"), Order::Descending, "ba", None);
        check(9, Some("z"), Order::Ascending, "", None);
    }

    #[test]
    fn a_limit_of_nothing_or_of_too_much_is_refused() {
        for (limit, fits) in
            [(None, true), (Some(1), true), (Some(1000), true), (Some(0), false), (Some(1001), false)]
        {
            assert_eq!(Page { limit, cursor: None }.limit().is_ok(), fits, "{limit:?}");
        }
    }
}
