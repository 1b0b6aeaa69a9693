//! Integration tests, one binary with one module per subject.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::type_complexity, reason = "local types of single tests")]

use assert_no_alloc::AllocDisabler;

mod support;

#[cfg(feature = "log")]
mod asrun;
#[cfg(feature = "broker")]
mod brokers;
mod chunking;
mod cli;
#[cfg(feature = "mqtt")]
mod control;
#[cfg(feature = "net")]
mod corpus;
#[cfg(feature = "corrections")]
mod corrections;
mod dead_air;
#[cfg(feature = "device")]
mod device;
#[cfg(feature = "mqtt")]
mod end_to_end;
#[cfg(feature = "net")]
mod endurance;
mod engine;
mod eval;
#[cfg(all(feature = "clips", feature = "opus", feature = "mqtt", feature = "log", feature = "web"))]
mod event_clips;
mod gate;
mod golden_descriptors;
mod golden_features;
mod golden_logistic;
mod golden_metrics;
#[cfg(feature = "net")]
mod hls;
#[cfg(all(feature = "net", feature = "mqtt", feature = "log"))]
mod hls_faults;
#[cfg(feature = "net")]
mod hls_segments;
#[cfg(feature = "broker")]
mod mqtt;
#[cfg(feature = "mqtt")]
mod mqtt_names;
#[cfg(all(feature = "net", feature = "mqtt", feature = "log"))]
mod network;
mod onnx;
#[cfg(feature = "mqtt")]
mod outbox;
mod realtime;
mod sources;
#[cfg(all(feature = "mqtt", feature = "log"))]
mod state_compatibility;
mod stream;
#[cfg(all(feature = "net", feature = "mqtt"))]
mod streams;
#[cfg(all(feature = "net", feature = "mqtt"))]
mod supervision;
mod systemd;
#[cfg(feature = "mqtt")]
mod test_mqtt;
mod tidy;
mod train;
mod watch;
#[cfg(feature = "web")]
mod web;
#[cfg(all(feature = "web", feature = "net"))]
mod web_classify;
mod why;

/// Aborts the process on an allocation within `assert_no_alloc`.
#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;
