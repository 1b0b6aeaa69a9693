//! Simulated machine: the controller receives only its measurements.

use std::time::Duration;

use super::controller::{Controller, LATE, Load, MARGIN, Overload, Turns};
use super::reporter::OverloadReporter;

/// Core-milliseconds per second of audio for decoding and analysis, and per patch for inference.
const ANALYSIS_MS: f64 = 1.9;
const INFERENCE_MS: f64 = 1.2;
/// Seconds of audio before the first patch of a turn: a patch, less a hop, and the look-ahead of
/// the model.
const FILL_S: f64 = 2.66;
/// Interval between queries of a source, in seconds.
const STEP_S: f64 = 0.25;

struct Machine {
    controller: Controller,
    /// Core-milliseconds per second.
    capacity: f64,
    /// Backlog, in core-milliseconds.
    backlog: f64,
    /// Seconds of audio in the present turn of each source, and its patches.
    turns: Vec<f64>,
    scored: Vec<u64>,
    now: f64,
}

impl Machine {
    fn new(sources: usize, cores: f64) -> Self {
        Self {
            controller: Controller::new(sources, Turns::default()),
            capacity: cores * 1000.0,
            backlog: 0.0,
            turns: vec![0.0; sources],
            scored: vec![0; sources],
            now: 0.0,
        }
    }

    /// Runs for a number of seconds with `sources` sources and returns the scored patches.
    fn run(&mut self, seconds: f64, sources: usize) -> u64 {
        let before: u64 = self.scored.iter().sum();
        for _ in 0..seconds as usize {
            let (mut load, mut busy) = (Load { seconds: 1.0, ..Load::default() }, 0.0);
            for _ in 0..(1.0 / STEP_S) as usize {
                self.now += STEP_S;
                let mut work = 0.0;
                for source in 0..sources {
                    if !self.controller.admits(source, Duration::from_secs_f64(self.now)) {
                        self.turns[source] = 0.0;
                        continue;
                    }
                    let patches = |turn: f64| (turn - FILL_S).max(0.0).floor();
                    let turn = self.turns[source];
                    self.turns[source] += STEP_S;
                    let new = patches(turn + STEP_S) - patches(turn);
                    work += STEP_S * ANALYSIS_MS + new * INFERENCE_MS;
                    self.scored[source] += new as u64;
                    load.analysed_s += STEP_S;
                    load.scored_s += new;
                }
                self.backlog += work - self.capacity * STEP_S;
                busy += if self.backlog > 0.0 { STEP_S } else { STEP_S * work / (self.capacity * STEP_S) };
                self.backlog = self.backlog.max(0.0);
            }
            load.contended = busy;
            // The backlog is late and cannot be processed at once.
            load.lag = Duration::from_secs_f64(self.backlog / self.capacity);
            load.analysed_s = load.analysed_s.min(self.capacity / (ANALYSIS_MS + INFERENCE_MS));
            self.controller.adjust(&load, Duration::from_secs_f64(self.now));
            self.backlog = self.backlog.min(2.0 * self.capacity);
        }
        self.scored.iter().sum::<u64>() - before
    }
}

#[test]
fn nothing_is_shed_while_all_sources_fit() {
    let mut machine = Machine::new(600, 2.0);
    machine.run(60.0, 600);
    assert!(machine.controller.limit.is_none());
    assert_eq!(machine.controller.overload(), None);
}

#[test]
fn beyond_capacity_the_work_done_stays_near_the_best_and_every_source_has_its_share() {
    let best = 2000.0 / (ANALYSIS_MS + INFERENCE_MS);
    for sources in [900, 1500, 3000] {
        let mut machine = Machine::new(sources, 2.0);
        machine.run(20.0, sources);
        machine.scored.fill(0);
        let seconds = 120.0;
        let scored = machine.run(seconds, sources) as f64 / seconds;
        assert!(scored > 0.8 * best, "{sources} sources: {scored} patches per second, {best} at best");
        let (mean, least) = (scored * seconds / sources as f64, *machine.scored.iter().min().unwrap() as f64);
        assert!(least > 0.5 * mean, "{sources} sources: least {least}, mean {mean}");
        assert!(machine.backlog < 0.8 * machine.capacity, "{sources} sources: {}", machine.backlog);
        let overload = machine.controller.overload().unwrap();
        assert_eq!(overload.sources, sources);
        assert!((0.7 * best..1.1 * best).contains(&(overload.fit as f64)), "{overload:?}");
    }
}

#[test]
fn an_overload_ends_when_sources_leave() {
    let mut machine = Machine::new(1000, 2.0);
    machine.run(60.0, 1000);
    assert!(machine.controller.overload().is_some());
    machine.run(30.0, 300);
    assert_eq!(machine.controller.overload(), None);
    assert!(machine.controller.limit.is_none());
}

#[test]
fn other_work_on_the_machine_counts() {
    let mut machine = Machine::new(500, 2.0);
    machine.run(30.0, 500);
    assert!(machine.controller.limit.is_none());
    machine.capacity = 1000.0;
    machine.run(30.0, 500);
    let limit = machine.controller.limit.unwrap();
    assert!((200.0..450.0).contains(&limit), "{limit}");
    machine.capacity = 2000.0;
    machine.run(60.0, 500);
    assert!(machine.controller.limit.is_none());
}

#[test]
fn slow_inference_is_an_overload_of_its_own() {
    let mut controller = Controller::new(100, Turns::default());
    let at = Duration::from_secs(1);
    (0..100).for_each(|source| assert!(controller.admits(source, at)));
    let load = Load {
        seconds: 1.0,
        contended: 0.1,
        analysed_s: 100.0,
        scored_s: 40.0,
        delay: Duration::from_secs(2),
        lag: Duration::ZERO,
    };
    controller.adjust(&load, at);
    assert_eq!(controller.overload(), None, "one late period is a burst");
    controller.adjust(&load, at);
    assert_eq!(controller.overload(), Some(Overload { sources: 100, fit: (40.0 * MARGIN) as usize }));
    let active = (0..100).filter(|source| controller.admits(*source, at)).count();
    assert_eq!(active, (40.0 * MARGIN) as usize);
}

#[test]
fn a_lone_source_is_always_analysed() {
    let mut controller = Controller::new(1, Turns::default());
    let late = Load { seconds: 1.0, contended: 1.0, delay: Duration::from_secs(3), ..Load::default() };
    for second in 0..60 {
        let now = Duration::from_secs(second);
        assert!(controller.admits(0, now));
        controller.adjust(&late, now);
    }
    assert_eq!(controller.overload(), None);
}

#[test]
fn a_source_that_is_gone_keeps_no_place() {
    let mut controller = Controller::new(3, Turns::default());
    let at = |seconds| Duration::from_secs_f64(seconds);
    (0..3).for_each(|source| assert!(controller.admits(source, at(0.0))));
    let load = Load { seconds: 1.0, contended: 1.0, analysed_s: 1.0, lag: LATE, ..Load::default() };
    (0..2).for_each(|_| controller.adjust(&load, at(1.0)));
    assert!(controller.admits(0, at(1.0)));
    assert!(!controller.admits(1, at(1.0)) && !controller.admits(2, at(1.0)));
    // Only the second one is left.
    controller.admits(1, at(4.5));
    controller.adjust(&Load { seconds: 1.0, contended: 0.95, ..Load::default() }, at(4.6));
    assert!(controller.admits(1, at(4.7)));
}

#[test]
fn an_overload_is_reported_once_it_has_lasted_then_seldom_and_when_it_is_over() {
    let mut reporter = OverloadReporter::default();
    let overload = Some(Overload { sources: 900, fit: 580 });
    let mut report_at = |seconds, overload| reporter.message(overload, Duration::from_secs(seconds));
    assert_eq!(report_at(0, None), None);
    assert_eq!(report_at(5, overload), None);
    assert_eq!(report_at(8, None), None, "too short to be reported");
    assert_eq!(report_at(9, overload), None);
    assert!(report_at(19, overload).unwrap().contains("of 900 live sources about 580 fit"));
    assert_eq!(report_at(600, overload), None);
    assert!(report_at(619, overload).is_some());
    assert!(report_at(620, None).unwrap().contains("again"));
    assert_eq!(report_at(621, None), None);
}
