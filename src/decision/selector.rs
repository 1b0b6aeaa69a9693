//! Which state is published.

use super::config::DecisionConfig;
use super::trace::Standing;

/// Holds a state until another has a clearly larger share of the sound.
#[derive(Debug)]
pub(super) struct Selector {
    switch_margin: f64,
    hold_s: f64,
    held: Option<usize>,
    /// Seconds since the held state last had the largest share.
    outdone_s: f64,
    judged: Option<Standing>,
}

impl Selector {
    /// One that holds nothing.
    pub fn new(config: &DecisionConfig) -> Self {
        let DecisionConfig { switch_margin, hold_s, .. } = *config;
        Self { switch_margin, hold_s, held: None, outdone_s: 0.0, judged: None }
    }

    /// Continues with other thresholds.
    pub fn configure(&mut self, config: &DecisionConfig) {
        *self = Self { held: self.held, outdone_s: self.outdone_s, ..Self::new(config) };
    }

    /// State that is held.
    pub fn held(&self) -> Option<usize> {
        self.held
    }

    /// Figures of the last decision.
    pub fn judged(&self) -> Option<Standing> {
        self.judged
    }

    /// Seconds more for which the held state is kept while another has a larger share; `None` where
    /// none has.
    pub fn kept_for_s(&self) -> Option<f64> {
        (self.held.is_some() && self.outdone_s > 0.0).then_some(self.hold_s - self.outdone_s)
    }

    /// Decides by the shares of all states after another `seconds`; there are at least two.
    pub fn update(&mut self, shares: &[f64], seconds: f64) {
        let (best, second) = best_two(shares);
        let before = self.held;
        if before.is_some_and(|held| held != best) {
            self.outdone_s += seconds;
            if self.outdone_s >= self.hold_s {
                self.held = None;
            }
        }
        // With the held state in the lead, the one to judge is the next one.
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
            self.outdone_s = 0.0;
        }
        self.judged = Some(Standing { held: before, candidate, against, ahead, needed, passes });
    }

    /// Holds nothing, as if new.
    pub fn reset(&mut self) {
        (self.held, self.outdone_s, self.judged) = (None, 0.0, None);
    }
}

/// Indices of the two largest; of equal ones the first.
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
    fn each_rule_alone() {
        let config = DecisionConfig { switch_margin: 0.3, hold_s: 20.0, ..DecisionConfig::default() };
        let mut selector = Selector::new(&config);
        // (shares, seconds, held): of three states each has a third by chance.
        for (shares, seconds, expected) in [
            ([0.5, 0.3, 0.2], 1.0, None), // more than by chance, but by less than the margin
            ([0.55, 0.3, 0.15], 1.0, Some(0)), // by more
            ([0.3, 0.55, 0.15], 1.0, Some(0)), // led by less
            ([0.3, 0.65, 0.05], 1.0, Some(1)), // replaced
            ([0.3, 0.3, 0.4], 19.0, Some(1)), // outdone, but not yet for 20 s
            ([0.3, 0.4, 0.3], 9.0, Some(1)), // leads again
            ([0.3, 0.3, 0.4], 19.0, Some(1)),
            ([0.3, 0.3, 0.4], 1.0, None),
            ([0.1, 0.41, 0.49], 1.0, None),
            ([0.1, 0.2, 0.7], 1.0, Some(2)),
            ([0.2, 0.2, 0.6], 1.0, Some(2)),
            // Outdone for too long: the next is held at once where it is likely enough by itself.
            ([0.7, 0.0, 0.3], 1.0, Some(0)),
            ([0.36, 0.64, 0.0], 19.5, Some(0)),
            ([0.36, 0.64, 0.0], 1.0, Some(1)),
        ] {
            selector.update(&shares, seconds);
            assert_eq!(selector.held(), expected, "{shares:?}");
        }
    }

    #[test]
    fn it_says_how_it_stood() {
        let config = DecisionConfig { switch_margin: 0.25, hold_s: 20.0, ..DecisionConfig::default() };
        let mut selector = Selector::new(&config);
        selector.update(&[0.75, 0.25, 0.0, 0.0], 1.0);
        let first =
            Standing { held: None, candidate: 0, against: None, ahead: 0.5, needed: 0.1875, passes: true };
        assert_eq!((selector.judged(), selector.kept_for_s()), (Some(first), None));
        // The held one leads: the next one is judged against it.
        selector.update(&[0.75, 0.0, 0.25, 0.0], 1.0);
        let second = Standing {
            held: Some(0),
            candidate: 2,
            against: Some(0),
            ahead: -0.5,
            needed: 0.25,
            passes: false,
        };
        assert_eq!(selector.judged(), Some(second));
        selector.update(&[0.375, 0.125, 0.5, 0.0], 5.0);
        let third = Standing { ahead: 0.125, ..second };
        assert_eq!((selector.judged(), selector.kept_for_s()), (Some(third), Some(15.0)));
        selector.configure(&DecisionConfig { switch_margin: 0.125, ..config });
        selector.update(&[0.375, 0.125, 0.5, 0.0], 1.0);
        assert_eq!((selector.held(), selector.kept_for_s()), (Some(2), None));
        selector.reset();
        assert_eq!((selector.held(), selector.judged()), (None, None));
    }
}
