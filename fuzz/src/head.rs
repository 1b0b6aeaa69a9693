//! HTTP responses: head and body do not depend on the sizes of the reads and contain nothing that
//! was not sent.
//!
//! Input: sizes of the reads, then the response.

use std::io::Read;

use genred::source::fuzz_api;

use super::cuts::{PartialReader, sizes};

/// Maximum length of a response: below the limit of a head, which depends on the reads.
const LONGEST: usize = 16 * 1024;

/// Panics if the sizes of the reads make a difference.
pub fn run(data: &[u8]) {
    let Some((come, sent)) = sizes(data, 8) else { return };
    let sent = &sent[..sent.len().min(LONGEST)];
    let whole = read(PartialReader::new(sent, &[]), sent);
    let in_pieces = read(PartialReader::new(sent, come), sent);
    assert_eq!(whole, in_pieces);
}

/// All that was parsed, as text; failures as their messages.
fn read(stream: PartialReader<'_>, sent: &[u8]) -> Result<String, String> {
    let mut answer = fuzz_api::read_response(stream).map_err(|error| error.to_string())?;
    assert!(answer.reason.chars().count() <= 80 && answer.headers.len() <= 64);
    for (name, value) in &answer.headers {
        assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}");
        assert!(!value.chars().any(char::is_control), "{value:?}");
    }
    let mut body = Vec::new();
    let ended = answer.body.read_to_end(&mut body).map_err(|error| error.to_string());
    let chunked = answer.headers.iter().any(|(name, _)| name == "transfer-encoding");
    match answer.length {
        Some(length) => assert_eq!(ended.is_ok(), body.len() as u64 == length),
        None if !chunked => assert!(sent.ends_with(&body) && ended.is_ok()),
        None => assert!(body.len() <= sent.len()),
    }
    Ok(format!("{} {} {:?} {body:?} {ended:?}", answer.status, answer.reason, answer.headers))
}
