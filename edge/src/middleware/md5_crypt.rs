//! The MD5 hashes of `htpasswd` (`$apr1$`) and of old `/etc/shadow` files (`$1$`), by Poul-Henning Kamp's recipe.

use md5::{Digest, Md5};

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash, without magic and salt.
pub(super) fn hash(password: &[u8], magic: &str, salt: &str) -> String {
    let salt = &salt.as_bytes()[..salt.len().min(8)];
    let alternate = digest(&[password, salt, password]);
    let mut first = Md5::new();
    for part in [password, magic.as_bytes(), salt] {
        first.update(part);
    }
    for chunk in password.chunks(16) {
        first.update(&alternate[..chunk.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        // As the recipe has it, with a zero byte or the password's first.
        first.update(if length & 1 == 1 { &[0][..] } else { &password[..1] });
        length >>= 1;
    }
    let mut sum: [u8; 16] = first.finalize().into();
    for round in 0..1000 {
        let (odd, even): (&[u8], &[u8]) = if round & 1 == 1 { (password, &sum) } else { (&sum, password) };
        let salted = if round % 3 == 0 { &[][..] } else { salt };
        let again = if round % 7 == 0 { &[][..] } else { password };
        sum = digest(&[odd, salted, again, even]);
    }
    let mut text = String::with_capacity(22);
    let mut push = |mut value: u32, digits: usize| {
        for _ in 0..digits {
            text.push(char::from(ALPHABET[(value & 63) as usize]));
            value >>= 6;
        }
    };
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push(u32::from(sum[a]) << 16 | u32::from(sum[b]) << 8 | u32::from(sum[c]), 4);
    }
    push(u32::from(sum[11]), 2);
    text
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_openssl_passwd() {
        // openssl passwd -apr1 -salt saltsalt …; openssl passwd -1 -salt …
        assert_eq!(hash(b"test", "$apr1$", "saltsalt"), "NBMPZFGR7yazCdGvlWJji1");
        assert_eq!(hash(b"a longer password than sixteen", "$1$", "xy"), "UuvdET2Kb6UQLJLqkQ4wF/");
    }
}
