//! Streaming, real-time music-genre classifier.
//!
//! ```text
//!  source                        dsp                 engine + model        decision         sink
//! ┌───────────────────┐ Block  ┌──────────┐ Patch  ┌──────────────┐ Scores ┌─────────┐ Change ┌────────┐
//! │ device: callback ▶│───────▶│ FrontEnd │───────▶│ infer: trunk │───────▶│ Decider │───────▶│ mqtt   │
//! │   ring ▶ read     │ native │ log-mel, │        │ ▶ embedding  │        │ smooth, │  fan-  │ jsonl  │
//! │ file, stdin:      │  rate  │ loudness │        │ ▶ heads      │        │ hyster. │  out   │ text   │
//! │   decode ▶ read   │        └──────────┘        └──────────────┘        └─────────┘        └────────┘
//! └───────────────────┘
//!       one thread a source: read ▶ front end        one thread             one thread          tokio
//! ```
//!
//! | floor | modules | may import |
//! |---|---|---|
//! | 5 | `main`, [`cli`] | everything below |
//! | 4 | [`engine`], [`config`] | everything below |
//! | 2 | [`source`], [`sink`], [`model`] | floors 1 and 0; never each other |
//! | 1 | [`dsp`], [`decision`]: pure | floor 0 |
//! | 0 | [`audio`], [`stats`], [`thread`], [`backoff`] | nothing of ours |
//!
//! `tests/tidy.rs` keeps the floors; `ARCHITECTURE.md` tells why they are what they are.

pub mod audio;
pub mod backoff;
pub mod cli;
pub mod config;
pub mod decision;
pub mod dsp;
pub mod engine;
pub mod model;
pub mod sink;
pub mod source;
pub mod stats;
pub mod thread;
