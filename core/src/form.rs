//! Form encoding, in which AWS writes keys where they must be plain text: in notifications, and in listings with
//! `encoding-type=url`. As in HTML forms, a space is written `+`, and other bytes `%XX`.

/// What was written, with every `+` a space and every `%XX` a byte.
pub fn decoded(written: &str) -> Result<String, Undecodable> {
    let bytes = written.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let mut digits = [0; 1];
                let escape = bytes.get(at + 1..at + 3).ok_or(Undecodable::Escape(at))?;
                hex::decode_to_slice(escape, &mut digits).map_err(|_| Undecodable::Escape(at))?;
                decoded.extend(digits);
                at += 2;
            }
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map_err(|_| Undecodable::Utf8)
}

/// Why a text is not written like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("the `%` at byte {0} is followed by no two hexadecimal digits")]
    Escape(usize),
    #[error("its bytes are no UTF-8")]
    Utf8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_are_decoded_as_aws_writes_them() {
        let check = |written: &str, key: &str| assert_eq!(decoded(written).as_deref(), Ok(key));
        check("app/index.js", "app/index.js");
        check("app/a+b%2Bc", "app/a b+c");
        check("app%2Fx%0Ay", "app/x\ny");
        check("app/%C3%A9%e2%82%ac", "app/é€");
        check("app/é", "app/é");
        check("app/100%25", "app/100%");
    }

    #[test]
    fn what_is_no_form_encoding_says_where() {
        let check = |written: &str, why: Undecodable| assert_eq!(decoded(written), Err(why));
        check("app/100%", Undecodable::Escape(7));
        check("app/%2", Undecodable::Escape(4));
        check("%zz", Undecodable::Escape(0));
        check("%+1", Undecodable::Escape(0));
        check("%é", Undecodable::Escape(0));
        check("app/%FF", Undecodable::Utf8);
    }

    proptest! {
        #[test]
        fn every_key_survives_the_encoding_of_aws(key in ".{0,200}") {
            let written: String = key
                .bytes()
                .map(|byte| match byte {
                    b' ' => "+".to_owned(),
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'*' => char::from(byte).into(),
                    _ => format!("%{byte:02X}"),
                })
                .collect();
            prop_assert_eq!(decoded(&written), Ok(key));
        }
    }
}
