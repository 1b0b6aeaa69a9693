//! `…/settings` and `…/error`.

use jiff::Timestamp;
use serde::Serialize;

use super::rfc3339;
use crate::event::CommandRefusal;
use crate::settings::{DecisionSettings, SilenceSettings};
use crate::sink::SettingsSnapshot;

/// `…/settings`: settings of a source that can be changed; published only where control is on.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub(crate) struct SettingsPayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(feature = "web", schema(value_type = String, format = DateTime))]
    ts: Timestamp,
    paused: bool,
    hop: f64,
    thresholds: ThresholdsPayload,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
struct ThresholdsPayload {
    decision: DecisionPayload,
    silence: SilencePayload,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
struct DecisionPayload {
    expected_piece_s: f64,
    switch_margin: f64,
    hold_s: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
struct SilencePayload {
    threshold_lufs: f32,
    after: f64,
}

impl<'a> From<&'a SettingsSnapshot> for SettingsPayload<'a> {
    fn from(SettingsSnapshot { run, at, settings }: &'a SettingsSnapshot) -> Self {
        let DecisionSettings { expected_piece_s, switch_margin, hold_s } = settings.decision;
        let SilenceSettings { threshold_lufs, after_s } = settings.silence;
        Self {
            run,
            ts: *at,
            paused: settings.paused,
            hop: settings.hop_s,
            thresholds: ThresholdsPayload {
                decision: DecisionPayload { expected_piece_s, switch_margin, hold_s },
                silence: SilencePayload { threshold_lufs, after: after_s },
            },
        }
    }
}

/// `…/error`: refusal of a command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RefusalPayload<'a> {
    run: &'a str,
    #[serde(serialize_with = "rfc3339")]
    ts: Timestamp,
    key: Option<&'a str>,
    message: &'a str,
}

impl<'a> From<&'a CommandRefusal> for RefusalPayload<'a> {
    fn from(refusal: &'a CommandRefusal) -> Self {
        Self { run: &refusal.run, ts: refusal.at, key: refusal.key.as_deref(), message: &refusal.message }
    }
}
