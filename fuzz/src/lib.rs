//! Properties that hold for all input. `fuzz_targets/` searches for counterexamples;
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
