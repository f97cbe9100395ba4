//! The framing of `aws-chunked` bodies, cut small before the protocol layer sees it: that gathers a whole chunk
//! in memory, and some clients send an object of any size as one chunk.
//!
//! Chunks without a signature are cut into smaller ones, which changes nothing that is signed. A chunk with a
//! signature cannot be cut, so a large one is refused; clients send them of 64 KiB to 1 MiB.

use bytes::Bytes;

/// The most that one signed chunk may hold.
const MAX_SIGNED: u64 = 16 << 20;
/// The longest line before a chunk.
const MAX_LINE: usize = 1024;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    #[error("a chunk does not begin with its size")]
    Malformed,
    #[error("a signed chunk of {0} bytes is too large")]
    TooLarge(u64),
}

#[derive(Default)]
pub(super) struct Rechunk {
    state: State,
    line: Vec<u8>,
}

#[derive(Default)]
enum State {
    /// In the line that says how large the chunk is.
    #[default]
    Line,
    /// Within a chunk that is cut as it comes.
    Cut(u64),
    /// Within a chunk that passes as it is, its line end included.
    Whole(u64),
    /// In the line end after a chunk that was cut.
    End(u8),
    /// After the last chunk: trailers.
    Trailers,
}

impl Rechunk {
    /// Takes what came in and gives what goes on.
    pub fn feed(&mut self, mut input: Bytes) -> Result<Vec<Bytes>, FramingError> {
        let mut output = Vec::new();
        while !input.is_empty() {
            match &mut self.state {
                State::Line => self.line(&mut input, &mut output)?,
                State::Cut(left) => {
                    let piece = take(&mut input, left);
                    output.push(Bytes::from(format!("{:x}\r\n", piece.len())));
                    output.push(piece);
                    output.push(Bytes::from_static(b"\r\n"));
                    if *left == 0 {
                        self.state = State::End(2);
                    }
                }
                State::Whole(left) => {
                    output.push(take(&mut input, left));
                    if *left == 0 {
                        self.state = State::Line;
                    }
                }
                State::End(left) => {
                    let expected = if *left == 2 { b'\r' } else { b'\n' };
                    if input.split_to(1)[0] != expected {
                        return Err(FramingError::Malformed);
                    }
                    *left -= 1;
                    if *left == 0 {
                        self.state = State::Line;
                    }
                }
                State::Trailers => output.push(std::mem::take(&mut input)),
            }
        }
        Ok(output)
    }

    fn line(&mut self, input: &mut Bytes, output: &mut Vec<Bytes>) -> Result<(), FramingError> {
        let end = input.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let part = input.split_to(end.unwrap_or(input.len()));
        if self.line.len() + part.len() > MAX_LINE {
            return Err(FramingError::Malformed);
        }
        self.line.extend_from_slice(&part);
        if end.is_none() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size =
            std::str::from_utf8(&line[..digits]).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let size = size.ok_or(FramingError::Malformed)?;
        let is_signed = line.get(digits) == Some(&b';');
        self.state = match size {
            0 => State::Trailers,
            _ if !is_signed => State::Cut(size),
            _ if size <= MAX_SIGNED => State::Whole(size + 2),
            _ => return Err(FramingError::TooLarge(size)),
        };
        if !matches!(self.state, State::Cut(_)) {
            output.push(line.into());
        }
        Ok(())
    }
}

fn take(input: &mut Bytes, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    input.split_to(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `step` bytes and joins what comes out.
    fn rechunked(input: &[u8], step: usize) -> Result<Vec<u8>, FramingError> {
        let mut rechunk = Rechunk::default();
        let mut output = Vec::new();
        for piece in input.chunks(step) {
            rechunk
                .feed(Bytes::copy_from_slice(piece))?
                .iter()
                .for_each(|piece| output.extend_from_slice(piece));
        }
        Ok(output)
    }

    /// What the chunks hold, and what follows them.
    fn content(mut framed: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut content = Vec::new();
        loop {
            let end = framed.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&framed[..end]).unwrap(), 16).unwrap();
            framed = &framed[end + 2..];
            if size == 0 {
                return (content, framed.to_vec());
            }
            content.extend_from_slice(&framed[..size]);
            assert_eq!(&framed[size..size + 2], b"\r\n");
            framed = &framed[size + 2..];
        }
    }

    #[test]
    fn unsigned_chunks_keep_their_content_and_trailers_however_they_arrive() {
        let body = b"b\r\nhello world\r\n3\r\n\r\n\n\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        for step in 1..body.len() {
            let (content, trailers) = content(&rechunked(body, step).unwrap());
            assert_eq!(content, b"hello world\r\n\n", "in pieces of {step}");
            assert_eq!(trailers, b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n", "in pieces of {step}");
        }
    }

    #[test]
    fn signed_chunks_pass_unchanged() {
        let body = b"5;chunk-signature=abc\r\nhello\r\n0;chunk-signature=def\r\n\r\n";
        for step in 1..body.len() {
            assert_eq!(rechunked(body, step).unwrap(), body, "in pieces of {step}");
        }
    }

    #[test]
    fn framing_that_could_fill_the_memory_is_refused() {
        let check = |body: &[u8], error| assert_eq!(rechunked(body, 7), Err(error));
        check(b"1000001;chunk-signature=abc\r\n", FramingError::TooLarge((16 << 20) + 1));
        check(b"xyz\r\n", FramingError::Malformed);
        check(b"fffffffffffffffff\r\n", FramingError::Malformed);
        check(&[b'1'; 2000], FramingError::Malformed);
        check(b"1\r\nab\r\n", FramingError::Malformed);
    }
}
