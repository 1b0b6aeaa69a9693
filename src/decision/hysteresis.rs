//! Which label is held.

use super::best;
use super::config::DecisionConfig;

/// Holds a label until another is clearly better, or none is likely enough.
#[derive(Debug)]
pub struct Hysteresis {
    enter: f32,
    leave: f32,
    margin: f32,
    min_dwell: f64,
    held: Option<usize>,
    /// When `held` last changed; `None` before the first decision.
    since: Option<f64>,
}

impl Hysteresis {
    /// One that holds nothing.
    pub fn new(config: &DecisionConfig) -> Self {
        let DecisionConfig { enter, leave, margin, min_dwell, .. } = *config;
        Self { enter, leave, margin, min_dwell, held: None, since: None }
    }

    /// The label to hold at `time` (seconds), by its smoothed posteriors.
    pub fn update(&mut self, time: f64, smoothed: &[f32]) -> Option<usize> {
        let dwelling = self.since.is_some_and(|since| time - since < self.min_dwell);
        if !dwelling {
            let next = self.choose(smoothed);
            if next != self.held {
                self.held = next;
                self.since = Some(time);
            }
        }
        self.held
    }

    fn choose(&self, smoothed: &[f32]) -> Option<usize> {
        let (top, p) = best(smoothed)?;
        let entering = (p >= self.enter).then_some(top);
        let Some(held) = self.held else { return entering };
        let held_p = smoothed.get(held).copied().unwrap_or_default();
        if held_p < self.leave {
            return entering;
        }
        if p >= held_p + self.margin && entering.is_some() { entering } else { self.held }
    }

    /// Holds nothing, as if new.
    pub fn reset(&mut self) {
        self.held = None;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_margin_and_dwell() {
        let config =
            DecisionConfig { time_constant: 0.0, enter: 0.5, leave: 0.3, margin: 0.2, min_dwell: 3.0 };
        let mut hysteresis = Hysteresis::new(&config);
        // (time, posteriors, held): each line shows one rule.
        for (time, smoothed, expected) in [
            (0.0, [0.45, 0.40], None),    // below `enter`
            (1.0, [0.50, 0.40], Some(0)), // first decision: no dwell to wait for
            (2.0, [0.10, 0.90], Some(0)), // dwelling
            (4.0, [0.45, 0.55], Some(0)), // better, but within the margin
            (5.0, [0.35, 0.45], Some(0)), // below `enter`, above `leave`
            (6.0, [0.30, 0.70], Some(1)), // clearly better
            (8.9, [0.90, 0.00], Some(1)), // dwelling
            (9.0, [0.29, 0.29], None),    // below `leave`, nobody enters
            (10.0, [0.90, 0.00], None),   // dwelling in `uncertain`
            (12.0, [0.90, 0.00], Some(0)),
        ] {
            assert_eq!(hysteresis.update(time, &smoothed), expected, "at {time}");
        }
    }
}
