//! What the patches of a stretch of sound said, together.

use super::event::{GatePosteriors, State, Verdict};
use super::trace::StateEvidence;

/// Sums over patches, each weighted by the seconds that it stands for.
///
/// The *states* are the labels of the genre head, then `speech`, then `noise`; a patch shares itself out among them.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Seconds for each state.
    states: Vec<f64>,
    /// Posteriors of each label, weighted by how much of the patch is music.
    posteriors: Vec<f64>,
    seconds: f64,
}

impl Evidence {
    /// None yet, for `labels` labels.
    pub fn new(labels: usize) -> Self {
        Self { states: vec![0.0; labels + 2], posteriors: vec![0.0; labels], seconds: 0.0 }
    }

    /// How long the stretch is, in seconds, what has faded left out.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Seconds that speak for state `state`.
    pub fn of(&self, state: usize) -> f64 {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// The state that is noise.
    pub fn noise(&self) -> usize {
        self.states.len() - 1
    }

    /// Mean share of state `state`, 0–1; 0 where there is no evidence.
    pub fn share(&self, state: usize) -> f64 {
        if self.seconds > 0.0 { self.of(state) / self.seconds } else { 0.0 }
    }

    /// Mean posterior of label `label` in what was music, 0–1.
    pub fn posterior(&self, label: usize) -> f64 {
        let music: f64 = self.states[..self.posteriors.len()].iter().sum();
        match self.posteriors.get(label) {
            Some(sum) if music > 0.0 => (sum / music).min(1.0),
            _ => 0.0,
        }
    }

    /// Which verdict `state` is, with the mean posterior of a label.
    pub fn verdict(&self, state: Option<usize>) -> Verdict {
        let labels = self.posteriors.len();
        match state {
            Some(label) if label < labels => Verdict::music(label, self.posterior(label) as f32),
            Some(state) if state == labels => Verdict::state(State::Speech),
            Some(_) => Verdict::state(State::Noise),
            None => Verdict::state(State::Uncertain),
        }
    }

    /// The state that most speaks for and the one after it.
    pub fn best_two(&self) -> (usize, usize) {
        let (mut first, mut second) = (0, 1);
        if self.of(1) > self.of(0) {
            (first, second) = (1, 0);
        }
        for state in 2..self.states.len() {
            if self.of(state) > self.of(first) {
                (first, second) = (state, first);
            } else if self.of(state) > self.of(second) {
                second = state;
            }
        }
        (first, second)
    }

    /// Every state, the one that most speaks for first.
    pub fn ranked(&self) -> Vec<StateEvidence> {
        let mut ranked: Vec<_> = (0..self.states.len())
            .map(|state| StateEvidence { state, seconds: self.of(state), share: self.share(state) })
            .collect();
        ranked.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
        ranked
    }

    /// How unlike the stretch a patch is: the Bhattacharyya distance 1 − Σ√(p·q), 0 (alike) to 1 (nothing in common).
    pub fn distance(&self, patch: &Shares) -> f64 {
        bhattacharyya(&self.states, self.seconds, &patch.states, 1.0)
    }

    /// The same of another stretch.
    pub fn distance_to(&self, other: &Self) -> f64 {
        bhattacharyya(&self.states, self.seconds, &other.states, other.seconds)
    }

    /// Takes in a patch that stands for `seconds`.
    pub fn add(&mut self, patch: &Shares, seconds: f64) {
        let music = patch.music * seconds;
        self.states.iter_mut().zip(&patch.states).for_each(|(sum, share)| *sum += share * seconds);
        self.posteriors.iter_mut().zip(&patch.posteriors).for_each(|(sum, p)| *sum += p * music);
        self.seconds += seconds;
    }

    /// Takes in another stretch.
    pub fn join(&mut self, other: &Self) {
        self.states.iter_mut().zip(&other.states).for_each(|(sum, more)| *sum += more);
        self.posteriors.iter_mut().zip(&other.posteriors).for_each(|(sum, more)| *sum += more);
        self.seconds += other.seconds;
    }

    /// Keeps the part `kept`, 0–1, of everything.
    pub fn fade(&mut self, kept: f64) {
        self.states.iter_mut().chain(&mut self.posteriors).for_each(|sum| *sum *= kept);
        self.seconds *= kept;
    }
}

/// Between two distributions that sum to `one_sum` and `other_sum`; 0 where one of them holds nothing.
fn bhattacharyya(one: &[f64], one_sum: f64, other: &[f64], other_sum: f64) -> f64 {
    let sums = one_sum * other_sum;
    let common: f64 = one.iter().zip(other).map(|(p, q)| (p * q).max(0.0).sqrt()).sum();
    if sums > 0.0 { (1.0 - common / sums.sqrt()).max(0.0) } else { 0.0 }
}

/// How one patch shares itself out among the states; sums to 1.
#[derive(Debug)]
pub struct Shares {
    states: Vec<f64>,
    posteriors: Vec<f64>,
    music: f64,
}

impl Shares {
    /// Room for `labels` labels.
    pub fn new(labels: usize) -> Self {
        Self { states: vec![0.0; labels + 2], posteriors: vec![0.0; labels], music: 0.0 }
    }

    /// How much of the patch is noise, 0–1.
    pub fn noise(&self) -> f64 {
        self.states.last().copied().unwrap_or_default()
    }

    /// Takes the place of the patch before. What is not music by the gate is not shared out among the labels.
    /// Where the labels' posteriors do not sum to 1, as those of a head with several labels, they are scaled down
    /// to 1, or what is missing is shared out evenly.
    ///
    /// `false` where a value is not finite or a label is missing: such a patch says nothing.
    pub fn set(&mut self, posteriors: &[f32], gate: Option<GatePosteriors>) -> bool {
        let gate = gate.map_or([1.0, 0.0, 0.0], |gate| [gate.music, gate.speech, gate.noise]);
        let labels = self.posteriors.len();
        if posteriors.len() != labels || !posteriors.iter().chain(&gate).all(|p| p.is_finite()) {
            return false;
        }
        let part = |p: f32| f64::from(p.clamp(0.0, 1.0));
        let [music, speech, noise] = gate.map(part);
        let whole = (music + speech + noise).max(f64::MIN_POSITIVE);
        let sum: f64 = posteriors.iter().map(|p| part(*p)).sum();
        let missing = (1.0 - sum).max(0.0) / labels.max(1) as f64;
        self.music = music / whole;
        for (label, p) in posteriors.iter().map(|p| part(*p)).enumerate() {
            self.posteriors[label] = p;
            self.states[label] = self.music * (p / sum.max(1.0) + missing);
        }
        self.states[labels] = speech / whole;
        self.states[labels + 1] = noise / whole;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate_of([music, speech, noise]: [f32; 3]) -> GatePosteriors {
        GatePosteriors { music, speech, noise }
    }

    fn shares(posteriors: &[f32], gate: Option<[f32; 3]>) -> Shares {
        let mut shares = Shares::new(posteriors.len());
        assert!(shares.set(posteriors, gate.map(gate_of)));
        shares
    }

    #[test]
    fn a_patch_shares_itself_out() {
        for (posteriors, gate, expected) in [
            ([0.5, 0.25, 0.25], None, [0.5, 0.25, 0.25, 0.0, 0.0]),
            ([0.5, 0.25, 0.25], Some([0.5, 0.25, 0.25]), [0.25, 0.125, 0.125, 0.25, 0.25]),
            // Several labels at once, and hardly any.
            ([1.0, 0.75, 0.25], None, [0.5, 0.375, 0.125, 0.0, 0.0]),
            ([0.25, 0.0, 0.0], None, [0.5, 0.25, 0.25, 0.0, 0.0]),
        ] {
            assert_eq!(shares(&posteriors, gate).states, expected);
        }
        let mut other = Shares::new(2);
        assert!(!other.set(&[0.5], None) && !other.set(&[0.5, f32::NAN], None));
        assert!(!other.set(&[0.5, 0.5], Some(gate_of([f32::INFINITY, 0.0, 0.0]))));
    }

    #[test]
    fn distance_is_bhattacharyyas() {
        let mut evidence = Evidence::new(2);
        assert_eq!(evidence.distance(&shares(&[1.0, 0.0], None)), 0.0, "nothing to be unlike");
        evidence.add(&shares(&[1.0, 0.0], None), 3.0);
        evidence.add(&shares(&[0.0, 1.0], None), 1.0);
        // Of (3/4, 1/4) from itself, and from (1, 0): 1 − √(3/4).
        assert!(evidence.distance(&shares(&[0.75, 0.25], None)).abs() < 1e-12);
        assert!((evidence.distance(&shares(&[1.0, 0.0], None)) - (1.0 - 0.75_f64.sqrt())).abs() < 1e-12);
        let mut other = Evidence::new(2);
        assert_eq!(evidence.distance_to(&other), 0.0);
        other.add(&shares(&[1.0, 0.0], None), 7.0);
        assert!((evidence.distance_to(&other) - (1.0 - 0.75_f64.sqrt())).abs() < 1e-12);
        assert!((evidence.distance(&shares(&[1.0, 0.0], Some([0.0, 1.0, 0.0]))) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn means_are_over_music_alone() {
        let mut evidence = Evidence::new(2);
        evidence.add(&shares(&[0.75, 0.25], Some([1.0, 0.0, 0.0])), 1.0);
        evidence.add(&shares(&[0.0, 1.0], Some([0.0, 1.0, 0.0])), 3.0);
        assert_eq!((evidence.posterior(0), evidence.posterior(1)), (0.75, 0.25));
        assert_eq!(evidence.best_two(), (2, 0), "speech, then the first label");
        evidence.fade(0.5);
        assert_eq!((evidence.posterior(0), evidence.seconds()), (0.75, 2.0));
        let whole = evidence.clone();
        evidence.join(&whole);
        assert_eq!((evidence.share(2), evidence.seconds()), (0.75, 4.0));
    }
}
