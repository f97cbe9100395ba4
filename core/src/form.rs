//! Form encoding, in which AWS writes keys where they must be plain text: in notifications, and in listings with
//! `encoding-type=url`. As in HTML forms, a space is written `+`, and other bytes `%XX`.

/// What was written, with every `+` a space and every `%XX` a byte.
pub fn decoded(written: &str) -> Result<String, Undecodable> {
    let bytes = bytes(written, |at| Err(Undecodable::Escape(at)))?;
    String::from_utf8(bytes).map_err(|_| Undecodable::Utf8)
}

/// The same of what is not written like that: what is no escape stands for itself, and what is no text becomes �.
pub fn decoded_lossily(written: &str) -> String {
    let bytes = bytes(written, |_| Ok(b'%')).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `broken` says what a `%` at some byte stands for that is followed by no two digits.
fn bytes(written: &str, broken: impl Fn(usize) -> Result<u8, Undecodable>) -> Result<Vec<u8>, Undecodable> {
    let bytes = written.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let mut digits = [0; 1];
                match bytes.get(at + 1..at + 3).map(|escape| hex::decode_to_slice(escape, &mut digits)) {
                    Some(Ok(())) => {
                        decoded.extend(digits);
                        at += 2;
                    }
                    Some(Err(_)) | None => decoded.push(broken(at)?),
                }
            }
            _ => decoded.push(byte),
        }
        at += 1;
    }
    Ok(decoded)
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

    #[test]
    fn what_is_no_form_encoding_can_still_be_read() {
        let check = |written: &str, key: &str| assert_eq!(decoded_lossily(written), key);
        check("app%2F100%", "app/100%");
        check("app%2F100%25+%2", "app/100% %2");
        check("app%2F%FFx", "app/\u{FFFD}x");
        check("%é%41", "%éA");
    }

    proptest! {
        #[test]
        fn both_ways_to_decode_agree_where_both_can(written in "[%+a-f0-9/é]{0,40}") {
            if let Ok(decoded) = decoded(&written) {
                prop_assert_eq!(decoded, decoded_lossily(&written));
            }
        }

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
