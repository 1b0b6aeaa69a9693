//! Layer 0: the settings of a source that can be changed while it runs.

/// Settings of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceSettings {
    /// True while the source is not analysed.
    pub paused: bool,
    /// Seconds between patches.
    pub hop_s: f64,
    /// Settings of the `[decision]` table.
    pub decision: DecisionSettings,
    /// Settings of the `[source.silence]` table.
    pub silence: SilenceSettings,
}

/// Settings of the decision stage; the keys are explained in `[decision]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecisionSettings {
    /// Expected length of a piece, in seconds.
    pub expected_piece_s: f64,
    /// Lead, as a share, that replaces the published label.
    pub switch_margin: f64,
    /// Longest time, in seconds, for which a label is kept while another leads.
    pub hold_s: f64,
}

/// Settings of silence detection; the keys are explained in `[source.silence]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SilenceSettings {
    /// Short-term loudness below which a source is quiet, in LUFS.
    pub threshold_lufs: f32,
    /// Seconds of quiet that make silence.
    pub after_s: f64,
}

/// Changes to [`SourceSettings`]; `None` leaves a value as it is. All ranges have been checked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SettingsPatch {
    /// See [`SourceSettings::paused`].
    pub paused: Option<bool>,
    /// See [`SourceSettings::hop_s`].
    pub hop_s: Option<f64>,
    /// See [`SourceSettings::decision`].
    pub decision: DecisionPatch,
    /// See [`SourceSettings::silence`].
    pub silence: SilencePatch,
}

/// Changes to [`DecisionSettings`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(missing_docs)]
pub struct DecisionPatch {
    pub expected_piece_s: Option<f64>,
    pub switch_margin: Option<f64>,
    pub hold_s: Option<f64>,
}

/// Changes to [`SilenceSettings`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(missing_docs)]
pub struct SilencePatch {
    pub threshold_lufs: Option<f32>,
    pub after_s: Option<f64>,
}

impl SourceSettings {
    /// These settings with the changes of `patch`.
    #[must_use]
    pub fn patched(&self, patch: &SettingsPatch) -> Self {
        Self {
            paused: patch.paused.unwrap_or(self.paused),
            hop_s: patch.hop_s.unwrap_or(self.hop_s),
            decision: self.decision.patched(&patch.decision),
            silence: self.silence.patched(&patch.silence),
        }
    }
}

impl DecisionSettings {
    /// These settings with the changes of `patch`.
    #[must_use]
    pub fn patched(&self, patch: &DecisionPatch) -> Self {
        Self {
            expected_piece_s: patch.expected_piece_s.unwrap_or(self.expected_piece_s),
            switch_margin: patch.switch_margin.unwrap_or(self.switch_margin),
            hold_s: patch.hold_s.unwrap_or(self.hold_s),
        }
    }
}

impl SilenceSettings {
    /// These settings with the changes of `patch`.
    #[must_use]
    pub fn patched(&self, patch: &SilencePatch) -> Self {
        Self {
            threshold_lufs: patch.threshold_lufs.unwrap_or(self.threshold_lufs),
            after_s: patch.after_s.unwrap_or(self.after_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let settings = SourceSettings {
            paused: false,
            hop_s: 1.0,
            decision: DecisionSettings { expected_piece_s: 300.0, switch_margin: 0.25, hold_s: 120.0 },
            silence: SilenceSettings { threshold_lufs: -60.0, after_s: 2.0 },
        };
        assert_eq!(settings.patched(&SettingsPatch::default()), settings);
        let patch = SettingsPatch {
            paused: Some(true),
            silence: SilencePatch { after_s: Some(7.0), ..SilencePatch::default() },
            ..SettingsPatch::default()
        };
        let silence = SilenceSettings { threshold_lufs: -60.0, after_s: 7.0 };
        assert_eq!(settings.patched(&patch), SourceSettings { paused: true, silence, ..settings });
    }
}
