//! `rateLimit` for each client, and `inFlightReq` for each host: what is too much is refused with 429. Both keep their
//! counts as long as the route keeps its middlewares, over any number of new tables.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloudyknight_core::middleware::{InFlightReq, RateLimit, go_duration};
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::{Own, own};

/// A bucket of tokens for each client; a request that is a little early waits for its own.
pub(super) struct Rate {
    /// Tokens in a second; infinite is no limit.
    rate: f64,
    burst: f64,
    longest_wait: Duration,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// More clients than this at once, and those that have been quiet are forgotten.
const MOST_CLIENTS: usize = 65_536;

impl Rate {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let period = go_duration(&limit.period).unwrap_or(1_000_000_000).max(1) as f64 / 1e9;
        let rate = if limit.average == 0 { f64::INFINITY } else { limit.average as f64 / period };
        let longest = if rate < 1.0 { 0.5 } else { 0.5 / rate.floor() };
        Self {
            rate,
            burst: limit.burst.max(1) as f64,
            longest_wait: Duration::from_secs_f64(longest),
            buckets: Mutex::default(),
        }
    }

    pub(super) async fn admit(&self, client: IpAddr) -> Result<(), Own> {
        let wait = self.wait(client, Instant::now())?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// How long the client's request has to wait.
    fn wait(&self, client: IpAddr, now: Instant) -> Result<Duration, Own> {
        if self.rate.is_infinite() {
            return Ok(Duration::ZERO);
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        if buckets.len() >= MOST_CLIENTS && !buckets.contains_key(&client) {
            return Err(own(StatusCode::TOO_MANY_REQUESTS));
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: self.burst, at: now });
        let tokens = self.filled(*bucket, now) - 1.0;
        let wait = Duration::from_secs_f64((-tokens / self.rate).clamp(0.0, 1e9));
        if wait > self.longest_wait {
            let mut refused = own(StatusCode::TOO_MANY_REQUESTS);
            let seconds = wait.as_secs_f64().ceil() as u64;
            refused.headers_mut().insert(RETRY_AFTER, seconds.into());
            if let Ok(exactly) = HeaderValue::from_str(&format!("{:.3}s", wait.as_secs_f64())) {
                refused.headers_mut().insert("x-retry-in", exactly);
            }
            return Err(refused);
        }
        *bucket = Bucket { tokens, at: now };
        Ok(wait)
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + since * self.rate).min(self.burst)
    }
}

/// Requests of a host that have not ended.
pub(super) struct InFlight {
    amount: u64,
    counts: Arc<Mutex<HashMap<String, u64>>>,
}

/// One request's place among those in flight, until its answer is out.
pub(crate) struct Place {
    host: String,
    counts: Arc<Mutex<HashMap<String, u64>>>,
}

impl InFlight {
    pub(super) fn new(limit: &InFlightReq) -> Self {
        Self { amount: limit.amount, counts: Arc::default() }
    }

    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Place, Own> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let mut counts = locked(&self.counts);
        let count = counts.entry(host.clone()).or_default();
        if *count >= self.amount {
            return Err(own(StatusCode::TOO_MANY_REQUESTS));
        }
        *count += 1;
        Ok(Place { host, counts: self.counts.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = locked(&self.counts);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

fn locked(counts: &Mutex<HashMap<String, u64>>) -> MutexGuard<'_, HashMap<String, u64>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_burst_and_then_its_rate() {
        let rate = Rate::new(&RateLimit { average: 2, period: "1s".into(), burst: 3 });
        let (one, other): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let start = Instant::now();
        for _ in 0..3 {
            assert!(rate.wait(one, start).is_ok_and(|wait| wait.is_zero()));
        }
        let refused = rate.wait(one, start).unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()[RETRY_AFTER]),
            (429, &HeaderValue::from_static("1"))
        );
        assert!(rate.wait(other, start).is_ok());
        let early = start + Duration::from_millis(400);
        assert_eq!(rate.wait(one, early).unwrap().as_millis(), 100);
        assert!(rate.wait(one, early).is_err());
    }

    #[test]
    fn no_average_is_no_limit() {
        let rate = Rate::new(&RateLimit { average: 0, ..RateLimit::default() });
        let client = "::1".parse().unwrap();
        assert!((0..100).all(|_| rate.wait(client, Instant::now()).is_ok()));
    }

    #[test]
    fn a_place_is_given_back() {
        let limit = InFlight::new(&InFlightReq { amount: 1 });
        let host = |host: &'static str| HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
        let place = limit.admit(&host("a")).ok().unwrap();
        assert!(limit.admit(&host("a")).is_err());
        assert!(limit.admit(&host("b")).is_ok());
        drop(place);
        assert!(limit.admit(&host("a")).is_ok());
        assert!(locked(&limit.counts).is_empty());
    }
}
