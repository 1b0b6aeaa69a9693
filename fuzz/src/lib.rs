//! What must hold whatever a server sends. `fuzz_targets/` looks for input for which it does not;
//! `tests/integration/corpus.rs` of the main package runs the committed input.

pub mod cuts;
pub mod decode;
pub mod head;
pub mod icy;
pub mod m3u8;
pub mod playlist;
pub mod runs;
pub mod secret;
pub mod segments;
