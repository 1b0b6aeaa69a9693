//! Runs: stretches of sound between two changes.

use super::config::DecisionConfig;
use super::evidence::{Evidence, Shares};
use super::trace::Run;

/// A run shorter than this many seconds is too little to be unlike of.
const SETTLED: f64 = 3.0;
/// The most that one second can add to the sum, however far its patch is.
const MOST: f64 = 3.0;
/// How likely a label is that one may be sure of.
const SURE: f64 = 0.8;
/// What a second of noise counts for as evidence: a clap, wind or the hiss before a song says little about what is being
/// played.
const NOISE: f64 = 0.3;
/// What it counts for as a sign of a change: music has noisy bars, and noise for good is told some seconds later.
const NOISE_CHANGE: f64 = 0.1;

/// A run that was interrupted for less than so many seconds,
const INTERRUPTION: f64 = 60.0;
/// and goes on no further than this from what it was, in units,
const ALIKE: f64 = 0.05;
/// is one run with the interruption, which counts for this part of the rest at most: a run of both in equal parts would be like
/// either of them for minutes, and what interrupts longer than what is interrupted lasts would be what the run is.
const INTERRUPTS: f64 = 0.33;

/// What became of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It belongs to the run, and so does what waited.
    Joined,
    /// It may be the beginning of another.
    Waits,
    /// It is part of another, with all that waited.
    Changed,
}

/// Seconds of evidence that a patch which stands for `seconds` is: fewer where it is noise.
pub fn counted(patch: &Shares, seconds: f64) -> f64 {
    weaken(patch, seconds, NOISE)
}

/// A second of noise counts for `noise` seconds.
fn weaken(patch: &Shares, seconds: f64, noise: f64) -> f64 {
    seconds * (1.0 - (1.0 - noise) * patch.noise())
}

/// Divides a source's sound into runs, and sums up the evidence of the newest.
///
/// A piece of music goes back and forth between labels, and its next patch says little that the last ones did not.
/// So a patch is compared with the mixture of labels that its run has had so far, not with the label that is held:
/// Page's cumulative sum (1954) over the Bhattacharyya distance beyond `change_distance`. That distance is counted in the
/// distance of one sure label from another, which is shorter where there are few labels. While the sum is above zero,
/// patches wait beside the run. Once it passes `change_seconds`, they are the beginning of the next run, and what came
/// before says nothing any more; where it falls back to zero, they were an episode, and join the run.
///
/// A piece may also go back and forth between parts of which each is long enough to be a run. Where a run begins just as the one
/// before the last was, and that was not long ago, the three are one run.
#[derive(Debug)]
pub struct Runs {
    /// Between two labels of which each is sure.
    unit: f64,
    distance: f64,
    seconds: f64,
    memory: f64,
    run: Evidence,
    waiting: Evidence,
    /// The run before.
    before: Evidence,
    /// The run before that one.
    earlier: Evidence,
    sum: f64,
    /// Seconds since the run began.
    age: f64,
    /// Whether the run is one with an interruption.
    interrupted: bool,
    /// Seconds since the first patch that waits.
    waited: f64,
    /// The newest patch's distance from its run, in units, where there was enough to be unlike of,
    patch_distance: Option<f64>,
    /// and the sum that it made, before a change took it back to zero.
    judged: f64,
}

impl Runs {
    /// One that has heard nothing yet.
    pub fn new(labels: usize, config: &DecisionConfig) -> Self {
        Self {
            unit: unit(labels),
            distance: config.change_distance,
            seconds: config.change_seconds,
            memory: config.memory,
            run: Evidence::new(labels),
            waiting: Evidence::new(labels),
            before: Evidence::new(labels),
            earlier: Evidence::new(labels),
            sum: 0.0,
            age: 0.0,
            interrupted: false,
            waited: 0.0,
            patch_distance: None,
            judged: 0.0,
        }
    }

    /// Goes on with other thresholds.
    pub fn configure(&mut self, config: &DecisionConfig) {
        self.distance = config.change_distance;
        self.seconds = config.change_seconds;
        self.memory = config.memory;
    }

    /// Takes in a patch that stands for `lasted` seconds.
    pub fn update(&mut self, patch: &Shares, lasted: f64) -> Step {
        self.age += lasted;
        self.waited += lasted;
        let seconds = counted(patch, lasted);
        self.patch_distance = (self.run.seconds() >= SETTLED).then(|| self.run.distance(patch) / self.unit);
        if let Some(distance) = self.patch_distance {
            let beyond = (distance - self.distance) / (1.0 - self.distance);
            self.sum = (self.sum + beyond.min(MOST) * weaken(patch, lasted, NOISE_CHANGE)).max(0.0);
        }
        self.judged = self.sum;
        if self.sum == 0.0 {
            self.absorb();
            self.run.fade((-seconds / self.memory).exp());
            self.run.add(patch, seconds);
            return Step::Joined;
        }
        if self.waiting.seconds() == 0.0 {
            self.waited = lasted;
        }
        self.waiting.add(patch, seconds);
        if !self.is_change() {
            return Step::Waits;
        }
        std::mem::swap(&mut self.earlier, &mut self.before);
        std::mem::swap(&mut self.before, &mut self.run);
        std::mem::swap(&mut self.run, &mut self.waiting);
        self.waiting.fade(0.0);
        self.sum = 0.0;
        let before_lasted = self.age - self.waited;
        self.age = self.waited;
        self.resume(before_lasted);
        Step::Changed
    }

    /// Evidence of the newest run, without the patches that wait.
    pub fn evidence(&self) -> &Evidence {
        &self.run
    }

    /// How far the newest run is from the one before, in units; 1 where there is none.
    pub fn step(&self) -> f64 {
        if self.before.seconds() > 0.0 { self.run.distance_to(&self.before) / self.unit } else { 1.0 }
    }

    /// How long ago the newest run began, or went on, in seconds.
    pub fn age(&self) -> f64 {
        self.age
    }

    /// Whether the newest run is one with what interrupted it.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// How it stands after the last update.
    pub fn explain(&self) -> Run {
        Run {
            age: self.age,
            seconds: self.run.seconds(),
            waiting: self.waiting.seconds(),
            patch_distance: self.patch_distance,
            change_distance: self.distance,
            sum: self.judged,
            change_seconds: self.seconds,
            changed: self.is_change(),
            step: (self.before.seconds() > 0.0).then(|| self.step()),
            states: self.run.ranked(),
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.run.fade(0.0);
        self.waiting.fade(0.0);
        self.before.fade(0.0);
        self.earlier.fade(0.0);
        self.sum = 0.0;
        self.age = 0.0;
        self.interrupted = false;
        self.patch_distance = None;
        self.judged = 0.0;
    }

    /// Whether the newest patch completed a change.
    fn is_change(&self) -> bool {
        self.judged > 0.0 && self.judged >= self.seconds
    }

    /// Makes one run of the newest and the two before it, where it is the one before the last, after an interruption of
    /// `interruption` seconds.
    fn resume(&mut self, interruption: f64) {
        self.interrupted = self.earlier.seconds() > 0.0
            && interruption < INTERRUPTION
            && self.run.distance_to(&self.earlier) / self.unit < ALIKE;
        if self.interrupted {
            let most = INTERRUPTS * (self.earlier.seconds() + self.run.seconds());
            self.before.fade((most / self.before.seconds()).min(1.0));
            self.run.join(&self.before);
            self.run.join(&self.earlier);
            self.before.fade(0.0);
        }
    }

    fn absorb(&mut self) {
        if self.waiting.seconds() > 0.0 {
            self.run.fade((-self.waiting.seconds() / self.memory).exp());
            self.run.join(&self.waiting);
            self.waiting.fade(0.0);
        }
    }
}

/// Bhattacharyya distance between two labels out of `labels`, each likely at [`SURE`], the others equally likely.
fn unit(labels: usize) -> f64 {
    let others = labels.max(2) as f64 - 1.0;
    let rest = (1.0 - SURE) / others;
    1.0 - 2.0 * (SURE * rest).sqrt() - (others - 1.0) * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 3] = [1.0, 0.0, 0.0];
    const B: [f32; 3] = [0.0, 1.0, 0.0];

    /// Runs through patches of one second; the indices at which a change was complete.
    fn changes(runs: &mut Runs, patches: &[[f32; 3]]) -> Vec<usize> {
        let mut shares = Shares::new(3);
        let mut found = Vec::new();
        for (index, patch) in patches.iter().enumerate() {
            assert!(shares.set(patch, None));
            if runs.update(&shares, 1.0) == Step::Changed {
                found.push(index);
            }
        }
        found
    }

    fn runs(change_distance: f64, change_seconds: f64) -> Runs {
        Runs::new(3, &DecisionConfig { change_distance, change_seconds, ..DecisionConfig::default() })
    }

    #[test]
    fn the_unit_is_the_distance_of_sure_labels() {
        for labels in [2, 3, 15] {
            let sure = |at: usize| {
                let mut posteriors = vec![0.2 / (labels as f32 - 1.0); labels];
                posteriors[at] = 0.8;
                let mut shares = Shares::new(labels);
                assert!(shares.set(&posteriors, None));
                shares
            };
            let mut evidence = Evidence::new(labels);
            evidence.add(&sure(0), 1.0);
            assert!((evidence.distance(&sure(1)) - unit(labels)).abs() < 1e-6, "{labels}");
        }
        assert!((unit(2) - 0.2).abs() < 1e-12, "1 − 2 √(0.8 · 0.2)");
    }

    #[test]
    fn the_sum_is_pages() {
        // Nothing in common: each second adds the most, whatever the threshold of distance.
        for (distance, seconds, at) in [(0.2, 2.9, 10), (0.2, 5.9, 11), (0.6, 8.9, 12)] {
            let patches = [[A; 10], [B; 10]].concat();
            assert_eq!(changes(&mut runs(distance, seconds), &patches), [at]);
        }
        // (0.5, 0.5, 0) from A: 1 − √½ = 0.2929, of a unit of 1 − 2 √0.08 − 0.1 = 0.3343; so 0.8761 − 0.5 a second, over 0.5:
        // 0.752, and four of them pass 3.
        let half = [0.5, 0.5, 0.0];
        let patches = [vec![A; 10], vec![half; 10]].concat();
        assert_eq!(changes(&mut runs(0.5, 3.0), &patches), [13]);
        assert!(changes(&mut runs(0.9, 0.1), &patches).is_empty());
    }

    #[test]
    fn an_episode_joins_the_run() {
        let mut runs = runs(0.5, 4.0);
        let patches = [vec![A; 10], vec![B], vec![A; 9]].concat();
        assert!(changes(&mut runs, &patches).is_empty());
        // With nothing forgotten it would be 1/20; fading leaves the newest heavier by e^(20/300) at most.
        let share = runs.evidence().share(1);
        assert!((0.048..0.052).contains(&share), "{share}");
        assert!(runs.evidence().seconds() > 18.0 && runs.age() == 20.0);
    }

    #[test]
    fn a_run_that_alternates_is_one_run() {
        let (one, other) = ([0.7, 0.2, 0.1], [0.2, 0.7, 0.1]);
        let patches: Vec<[f32; 3]> = (0..200).map(|index| if index % 7 < 4 { one } else { other }).collect();
        let mut runs = runs(0.67, 2.25);
        assert!(changes(&mut runs, &patches).is_empty());
        // What is mostly neither is a change within seconds.
        let found = changes(&mut runs, &[[0.1, 0.1, 0.8]; 6]);
        assert!(matches!(found[..], [2..=4]), "{found:?}");
        assert!((0.8..1.0).contains(&runs.step()), "{}", runs.step());
        runs.reset();
        assert_eq!(runs.step(), 1.0);
    }

    #[test]
    fn a_run_that_is_interrupted_goes_on() {
        // After `before` seconds of the first label and `interruption` of the second: a patch of the first changes the run.
        let back = |before: usize, interruption: usize, patch: [f32; 3]| {
            let mut runs = runs(0.75, 1.0);
            let patches = [vec![A; before], vec![B; interruption], vec![patch]].concat();
            assert_eq!(changes(&mut runs, &patches), [before, before + interruption]);
            runs
        };
        let whole = back(60, 10, A);
        assert_eq!((whole.age(), whole.interrupted()), (1.0, true), "the age is since the last change");
        assert!((whole.evidence().share(1) - 10.0 / 71.0).abs() < 0.02, "{}", whole.evidence().share(1));
        assert_eq!(whole.step(), 1.0, "there is none before it");
        // A longer one counts for a third of the rest.
        let third = back(20, 50, A).evidence().share(1);
        assert!((third - 0.33 / 1.33).abs() < 0.02, "{third}");
        // Too late, and another.
        for other in [back(60, 61, A), back(60, 10, [0.0, 0.0, 1.0]), back(60, 10, [0.9, 0.1, 0.0])] {
            assert_eq!((other.age(), other.evidence().seconds(), other.interrupted()), (1.0, 1.0, false));
            assert!(other.step() > 0.5);
        }
    }
}
