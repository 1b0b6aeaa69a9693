//! Limited-memory BFGS for smooth convex functions.
//!
//! Directions by the two-loop recursion of Nocedal and Wright, "Numerical Optimization" (2006),
//! algorithm 7.4; step lengths by bisection for the weak Wolfe conditions, after Lewis and Overton,
//! "Nonsmooth optimization via quasi-Newton methods" (2013), algorithm 2.6. Value and gradient come
//! from one call, since one pass over the data gives both; the crate `argmin` takes them from
//! separate calls, which need twice the time.

use std::collections::VecDeque;

/// Number of stored pairs of steps and gradient changes.
const MEMORY: usize = 10;

/// Share of the expected decrease that a step must achieve.
const DECREASE: f64 = 1e-4;
/// Share of the slope that may be left after a step.
const CURVATURE: f64 = 0.9;

/// Trials of one step length. A bisection of doubles is at its end after about as many.
const TRIALS: usize = 60;

/// Condition to stop.
#[derive(Debug, Clone, Copy)]
pub struct StopCriterion {
    /// Largest absolute component of the gradient that counts as none.
    pub gradient: f64,
    /// Most steps.
    pub steps: usize,
}

impl Default for StopCriterion {
    fn default() -> Self {
        Self { gradient: 1e-6, steps: 2_000 }
    }
}

/// Result of the search.
#[derive(Debug, Clone)]
pub(super) struct Minimum {
    /// The point.
    pub point: Vec<f64>,
    /// Largest absolute component of the gradient there.
    pub gradient: f64,
    /// Steps taken.
    pub steps: usize,
}

/// Descends from `start`. `function` returns the value at a point and writes the gradient there.
///
/// Ends where the gradient is small enough, the steps are used up, or rounding lets no step go down
/// any further.
pub(super) fn minimise(
    start: Vec<f64>,
    stop: StopCriterion,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut point = start;
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut memory = Memory::default();
    let mut trial = vec![0.0; point.len()];
    let mut trial_gradient = vec![0.0; point.len()];
    let mut steps = 0;
    while steps < stop.steps && largest(&gradient) > stop.gradient {
        let mut direction = memory.direction(&gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            memory.0.clear();
            direction = memory.direction(&gradient);
            slope = dot(&direction, &gradient);
        }
        // Before the first step the scale is unknown: no component moves by more than 1.
        let first = if memory.0.is_empty() { 1.0 / largest(&gradient).max(1.0) } else { 1.0 };
        let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
        let mut found = None;
        for _ in 0..TRIALS {
            for ((to, from), along) in trial.iter_mut().zip(&point).zip(&direction) {
                *to = from + length * along;
            }
            let there = function(&trial, &mut trial_gradient);
            // A value that is not a number also means that the step was too long.
            if there.is_nan() || there > value + DECREASE * length * slope {
                high = length;
            } else if dot(&direction, &trial_gradient) < CURVATURE * slope {
                low = length;
            } else {
                found = Some(there);
                break;
            }
            length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * length };
        }
        let Some(there) = found else { break };
        memory.remember(&point, &trial, &gradient, &trial_gradient);
        std::mem::swap(&mut point, &mut trial);
        std::mem::swap(&mut gradient, &mut trial_gradient);
        value = there;
        steps += 1;
    }
    Minimum { gradient: largest(&gradient), point, steps }
}

/// Last steps, oldest first, from which the curvature is estimated.
#[derive(Default)]
struct Memory(VecDeque<Pair>);

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// `1 / (step · change)`
    rho: f64,
}

impl Memory {
    fn remember(&mut self, from: &[f64], to: &[f64], before: &[f64], after: &[f64]) {
        let step: Vec<f64> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        let change: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        let product = dot(&step, &change);
        // The line search makes it positive; where rounding prevents that, the pair is of no use.
        if product <= 1e-12 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            return;
        }
        if self.0.len() == MEMORY {
            self.0.pop_front();
        }
        self.0.push_back(Pair { step, change, rho: 1.0 / product });
    }

    /// Product of the estimated negative inverse Hessian and the gradient.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.0.len());
        for pair in self.0.iter().rev() {
            let alpha = pair.rho * dot(&pair.step, &direction);
            add(&mut direction, -alpha, &pair.change);
            alphas.push(alpha);
        }
        if let Some(newest) = self.0.back() {
            let scale = 1.0 / (newest.rho * dot(&newest.change, &newest.change));
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for (pair, alpha) in self.0.iter().zip(alphas.iter().rev()) {
            let beta = pair.rho * dot(&pair.change, &direction);
            add(&mut direction, alpha - beta, &pair.step);
        }
        direction
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quadratic function whose axes differ by 10⁴, rotated out of the coordinate axes.
    #[test]
    fn a_quadratic_ends_at_its_known_minimum() {
        let target = [3.0, -2.0, 0.5];
        let scales = [1.0, 100.0, 10_000.0];
        // An orthogonal matrix: Householder's for (1, 1, 1).
        let turn = |x: [f64; 3]| {
            let mean2 = 2.0 * (x[0] + x[1] + x[2]) / 3.0;
            [x[0] - mean2, x[1] - mean2, x[2] - mean2]
        };
        let found = minimise(vec![0.0; 3], StopCriterion { gradient: 1e-9, steps: 500 }, |x, gradient| {
            let z = turn([x[0] - target[0], x[1] - target[1], x[2] - target[2]]);
            let slope = turn([scales[0] * z[0], scales[1] * z[1], scales[2] * z[2]]);
            gradient.copy_from_slice(&slope);
            0.5 * (0..3).map(|i| scales[i] * z[i] * z[i]).sum::<f64>()
        });
        assert!(found.gradient <= 1e-9, "{found:?}");
        for (x, expected) in found.point.iter().zip(target) {
            assert!((x - expected).abs() < 1e-8, "{found:?}");
        }
    }

    /// Rosenbrock's function, the usual benchmark, with its minimum of 0 at (1, 1).
    #[test]
    fn rosenbrocks_valley_is_followed_to_its_end() {
        let found = minimise(vec![-1.2, 1.0], StopCriterion { gradient: 1e-8, steps: 500 }, |x, gradient| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            gradient[0] = -2.0 * a - 400.0 * x[0] * b;
            gradient[1] = 200.0 * b;
            a * a + 100.0 * b * b
        });
        assert!((found.point[0] - 1.0).abs() < 1e-6 && (found.point[1] - 1.0).abs() < 1e-6, "{found:?}");
        assert!(found.steps < 100, "{found:?}");
    }

    #[test]
    fn steps_are_limited_and_a_minimum_is_left_alone() {
        let bowl = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = x[0].powi(3);
            x[0].powi(4) / 4.0
        };
        assert_eq!(minimise(vec![8.0], StopCriterion { gradient: 0.0, steps: 3 }, bowl).steps, 3);
        let there = minimise(vec![0.0], StopCriterion::default(), bowl);
        assert_eq!((there.steps, there.point), (0, vec![0.0]));
    }
}
