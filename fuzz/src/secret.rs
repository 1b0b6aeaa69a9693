//! Password that must stay with its server.

/// The password.
pub const SECRET: &str = "hunter2";

/// True if the input itself spells the password, so that its appearance elsewhere is no leak.
///
/// Ignores case, because host names and some messages are lower case, and bytes between the
/// letters, because decoding removes control characters and the zeros of UTF-16.
pub fn spells_it(data: &[u8]) -> bool {
    let letters: Vec<u8> = data.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    letters.windows(SECRET.len()).any(|bytes| bytes.eq_ignore_ascii_case(SECRET.as_bytes()))
}
