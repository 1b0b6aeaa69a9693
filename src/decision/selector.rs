//! Selection of the published state, with hysteresis.

use super::config::DecisionConfig;
use super::time::Seconds;

/// Comparison of the state that may be published next with the published one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SwitchComparison {
    /// Published state before the comparison.
    pub held: Option<usize>,
    pub candidate: usize,
    /// State that the candidate must lead; `None` where none is published: the candidate must lead
    /// an even share of all states.
    pub against: Option<usize>,
    /// Share by which the candidate leads; negative if it trails.
    pub ahead: f64,
    /// Share by which it must lead.
    pub needed: f64,
    /// True if the candidate was published.
    pub passes: bool,
}

/// Keeps a state until the share of another exceeds its share by the margin.
#[derive(Debug)]
pub(super) struct Selector {
    switch_margin: f64,
    hold: Seconds,
    held: Option<usize>,
    /// Time since the held state last had the largest share.
    trailing: Seconds,
    comparison: Option<SwitchComparison>,
}

impl Selector {
    pub(super) fn new(config: &DecisionConfig) -> Self {
        let DecisionConfig { switch_margin, hold_s, .. } = *config;
        Self { switch_margin, hold: Seconds(hold_s), held: None, trailing: Seconds::ZERO, comparison: None }
    }

    /// Continues with other settings.
    pub(super) fn configure(&mut self, config: &DecisionConfig) {
        *self = Self { held: self.held, trailing: self.trailing, ..Self::new(config) };
    }

    pub(super) fn held(&self) -> Option<usize> {
        self.held
    }

    /// Figures of the last update.
    pub(super) fn comparison(&self) -> Option<SwitchComparison> {
        self.comparison
    }

    /// Time until the held state is given up; `None` while no other has a larger share.
    pub(super) fn kept_for(&self) -> Option<Seconds> {
        (self.held.is_some() && self.trailing > Seconds::ZERO).then(|| self.hold - self.trailing)
    }

    /// Updates the selection with the shares of all states (at least two), `elapsed` after the
    /// previous ones.
    pub(super) fn update(&mut self, shares: &[f64], elapsed: Seconds) {
        let (best, second) = best_two(shares);
        let before = self.held;
        if before.is_some_and(|held| held != best) {
            self.trailing += elapsed;
            if self.trailing >= self.hold {
                self.held = None;
            }
        }
        // While the held state leads, the candidate is the second one.
        let (candidate, against) = match self.held {
            Some(held) if held == best => (second, Some(held)),
            held => (best, held),
        };
        let even = 1.0 / shares.len() as f64;
        let (rival, needed) = match against {
            Some(rival) => (shares[rival], self.switch_margin),
            None => (even, self.switch_margin * (1.0 - even)),
        };
        let ahead = shares[candidate] - rival;
        let passes = candidate == best && ahead >= needed;
        if passes {
            self.held = Some(best);
        }
        if self.held.is_none_or(|held| held == best) {
            self.trailing = Seconds::ZERO;
        }
        self.comparison = Some(SwitchComparison { held: before, candidate, against, ahead, needed, passes });
    }

    pub(super) fn reset(&mut self) {
        (self.held, self.trailing, self.comparison) = (None, Seconds::ZERO, None);
    }
}

/// Indices of the two largest values; of equal values the first.
fn best_two(shares: &[f64]) -> (usize, usize) {
    let (mut first, mut second) = if shares[1] > shares[0] { (1, 0) } else { (0, 1) };
    for state in 2..shares.len() {
        if shares[state] > shares[first] {
            (first, second) = (state, first);
        } else if shares[state] > shares[second] {
            second = state;
        }
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hysteresis_and_hold() {
        let config = DecisionConfig { switch_margin: 0.3, hold_s: 20.0, ..DecisionConfig::default() };
        let mut selector = Selector::new(&config);
        // (shares, seconds, held): of three states each has a third by chance.
        for (shares, seconds, expected) in [
            ([0.5, 0.3, 0.2], 1.0, None), // more than by chance, but by less than the margin
            ([0.55, 0.3, 0.15], 1.0, Some(0)), // by more
            ([0.3, 0.55, 0.15], 1.0, Some(0)), // led by less
            ([0.3, 0.65, 0.05], 1.0, Some(1)), // replaced
            ([0.3, 0.3, 0.4], 19.0, Some(1)), // trails, but not yet for 20 s
            ([0.3, 0.4, 0.3], 9.0, Some(1)), // leads again
            ([0.3, 0.3, 0.4], 19.0, Some(1)),
            ([0.3, 0.3, 0.4], 1.0, None),
            ([0.1, 0.41, 0.49], 1.0, None),
            ([0.1, 0.2, 0.7], 1.0, Some(2)),
            ([0.2, 0.2, 0.6], 1.0, Some(2)),
            // Given up after the hold time: the next one is held at once if its share is large
            // enough.
            ([0.7, 0.0, 0.3], 1.0, Some(0)),
            ([0.36, 0.64, 0.0], 19.5, Some(0)),
            ([0.36, 0.64, 0.0], 1.0, Some(1)),
        ] {
            selector.update(&shares, Seconds(seconds));
            assert_eq!(selector.held(), expected, "{shares:?}");
        }
    }

    #[test]
    fn the_comparison_has_its_figures() {
        let config = DecisionConfig { switch_margin: 0.25, hold_s: 20.0, ..DecisionConfig::default() };
        let mut selector = Selector::new(&config);
        selector.update(&[0.75, 0.25, 0.0, 0.0], Seconds(1.0));
        let first = SwitchComparison {
            held: None,
            candidate: 0,
            against: None,
            ahead: 0.5,
            needed: 0.1875,
            passes: true,
        };
        assert_eq!((selector.comparison(), selector.kept_for()), (Some(first), None));
        // The held state leads: the second one is compared with it.
        selector.update(&[0.75, 0.0, 0.25, 0.0], Seconds(1.0));
        let second = SwitchComparison {
            held: Some(0),
            candidate: 2,
            against: Some(0),
            ahead: -0.5,
            needed: 0.25,
            passes: false,
        };
        assert_eq!(selector.comparison(), Some(second));
        selector.update(&[0.375, 0.125, 0.5, 0.0], Seconds(5.0));
        let third = SwitchComparison { ahead: 0.125, ..second };
        assert_eq!((selector.comparison(), selector.kept_for()), (Some(third), Some(Seconds(15.0))));
        selector.configure(&DecisionConfig { switch_margin: 0.125, ..config });
        selector.update(&[0.375, 0.125, 0.5, 0.0], Seconds(1.0));
        assert_eq!((selector.held(), selector.kept_for()), (Some(2), None));
        selector.reset();
        assert_eq!((selector.held(), selector.comparison()), (None, None));
    }
}
