//! Streaming, real-time music-genre classifier.
//!
//! ```text
//!  source                        dsp                 engine + model        decision         sink
//! ┌───────────────────┐ Block  ┌──────────┐ Patch  ┌──────────────┐ Scores ┌─────────┐ Change ┌────────┐
//! │ device: callback ▶│───────▶│ FrontEnd │───────▶│ infer: trunk │───────▶│ Decider │───────▶│ mqtt   │
//! │   ring ▶ read     │ native │ log-mel, │        │ ▶ embedding  │        │ segment,│  fan-  │ jsonl  │
//! │ file, stdin:      │  rate  │ loudness │        │ ▶ heads      │        │ selector│  out   │ text   │
//! │   decode ▶ read   │        └──────────┘        └──────────────┘        └─────────┘        └────────┘
//! └───────────────────┘
//!       one thread a source: read ▶ front end        one thread             one thread          tokio
//! ```
//!
//! Imports only ever point down: [`cli`] ▸ [`study`] ▸ [`engine`] ▸ [`config`] ▸ [`source`], [`sink`], [`model`] ▸ [`dsp`],
//! [`decision`], [`learn`], `asrun` ▸ [`audio`], [`limits`], [`stats`], [`thread`], [`permits`], [`state`], [`backoff`]. `ARCHITECTURE.md` is the map, and tells the
//! invariants; `tests/integration/tidy.rs` keeps the floors.

#[cfg(feature = "log")]
pub mod asrun;
pub mod audio;
pub mod backoff;
pub mod cli;
pub mod command;
pub mod config;
pub mod counters;
pub mod decision;
pub mod dsp;
pub mod engine;
pub mod event;
pub mod learn;
pub mod limits;
pub mod model;
pub mod permits;
pub mod settings;
pub mod sink;
pub mod source;
pub mod state_dir;

pub mod study;
pub mod thread;
