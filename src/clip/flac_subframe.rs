//! Coding of one channel of a FLAC frame (RFC 9639, section 9.2): constant, verbatim, or a fixed
//! polynomial predictor with Rice-coded residuals.

use super::bits::BitWriter;

/// Highest order of the fixed predictors.
const MAX_ORDER: usize = 4;

/// Highest partition order, and the shortest partition.
const MAX_PARTITION_ORDER: u32 = 5;
const MIN_PARTITION: usize = 64;

/// Largest Rice parameter of the coding with 5-bit parameters; 31 would escape.
const MAX_PARAMETER: u32 = 30;

/// Coder of subframes. Its buffer is reused.
#[derive(Debug, Default)]
pub(super) struct SubframeCoder {
    /// Residuals of the chosen predictor, folded to unsigned numbers.
    residuals: Vec<u32>,
}

impl SubframeCoder {
    /// Appends the subframe of `samples`, whose values have `bits` bits, sign included, after the
    /// `wasted` low bits, which are zero in all of them, have been shifted out.
    pub(super) fn encode(&mut self, out: &mut BitWriter, samples: &[i32], bits: u32, wasted: u32) {
        let Some(first) = samples.first() else { return };
        if samples.iter().all(|sample| sample == first) {
            header(out, 0b00_0000, wasted);
            out.put(*first as u32, bits);
            return;
        }
        let order = best_order(samples);
        self.predict(samples, order);
        let partition_order = partition_order(samples.len(), order);
        let parameters = self.parameters(samples.len(), order, partition_order);
        let wide = parameters.iter().any(|(parameter, _)| *parameter > 14);
        let parameter_bits = if wide { 5 } else { 4 };
        let coded: u64 = parameters.iter().map(|(_, cost)| cost + parameter_bits).sum();
        if coded + order as u64 * u64::from(bits) >= samples.len() as u64 * u64::from(bits) {
            header(out, 0b00_0001, wasted);
            samples.iter().for_each(|sample| out.put(*sample as u32, bits));
            return;
        }
        header(out, 0b00_1000 | order as u32, wasted);
        samples[..order].iter().for_each(|sample| out.put(*sample as u32, bits));
        out.put(u32::from(wide), 2);
        out.put(partition_order, 4);
        let mut rest = &self.residuals[..];
        for (index, (parameter, _)) in parameters.iter().enumerate() {
            let length = partition_length(samples.len(), order, partition_order, index);
            let (now, later) = rest.split_at(length);
            out.put(*parameter, parameter_bits as u32);
            for &value in now {
                out.unary(value >> parameter);
                out.put(value, *parameter);
            }
            rest = later;
        }
    }

    /// Computes the residuals of the predictor of `order`.
    fn predict(&mut self, x: &[i32], order: usize) {
        self.residuals.clear();
        let fold = |residual: i32| ((residual << 1) ^ (residual >> 31)) as u32;
        let [a, b, c, d, e] = lagged(x, order);
        match order {
            0 => self.residuals.extend(a.iter().map(|&a| fold(a))),
            1 => self.residuals.extend(a.iter().zip(b).map(|(a, b)| fold(a - b))),
            2 => self.residuals.extend(a.iter().zip(b).zip(c).map(|((a, b), c)| fold(a - 2 * b + c))),
            3 => self
                .residuals
                .extend(a.iter().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| fold(a - 3 * b + 3 * c - d))),
            _ => self.residuals.extend(
                a.iter()
                    .zip(b)
                    .zip(c)
                    .zip(d)
                    .zip(e)
                    .map(|((((a, b), c), d), e)| fold(a - 4 * b + 6 * c - 4 * d + e)),
            ),
        }
    }

    /// Rice parameter of each partition, and its cost in bits.
    fn parameters(&self, length: usize, order: usize, partition_order: u32) -> Vec<(u32, u64)> {
        let mut rest = &self.residuals[..];
        (0..1 << partition_order)
            .map(|index| {
                let (now, later) = rest.split_at(partition_length(length, order, partition_order, index));
                rest = later;
                let sum: u64 = now.iter().map(|&value| u64::from(value)).sum();
                let mean = sum / now.len().max(1) as u64;
                let parameter = (64 - mean.leading_zeros()).saturating_sub(1).min(MAX_PARAMETER);
                let unary: u64 = now.iter().map(|&value| u64::from(value >> parameter)).sum();
                (parameter, unary + now.len() as u64 * u64::from(parameter + 1))
            })
            .collect()
    }
}

/// Appends the header of a subframe.
fn header(out: &mut BitWriter, kind: u32, wasted: u32) {
    out.put(kind << 1 | u32::from(wasted > 0), 8);
    if wasted > 0 {
        out.unary(wasted - 1);
    }
}

/// Sum of the magnitudes of the residuals of each order, over the samples that all can predict.
pub(super) fn residual_sums(x: &[i32]) -> [u64; MAX_ORDER + 1] {
    let mut sums = [0_u64; MAX_ORDER + 1];
    if x.len() <= MAX_ORDER {
        return sums;
    }
    let [a, b, c, d, e] = lagged(x, MAX_ORDER);
    for ((((a, b), c), d), e) in a.iter().zip(b).zip(c).zip(d).zip(e) {
        sums[0] += u64::from(a.unsigned_abs());
        sums[1] += u64::from((a - b).unsigned_abs());
        sums[2] += u64::from((a - 2 * b + c).unsigned_abs());
        sums[3] += u64::from((a - 3 * b + 3 * c - d).unsigned_abs());
        sums[4] += u64::from((a - 4 * b + 6 * c - 4 * d + e).unsigned_abs());
    }
    sums
}

/// The samples from number `order` on, and up to four predecessors of each.
fn lagged(x: &[i32], order: usize) -> [&[i32]; MAX_ORDER + 1] {
    std::array::from_fn(|lag| match lag <= order {
        true => &x[order - lag..x.len() - lag],
        false => &[],
    })
}

fn best_order(x: &[i32]) -> usize {
    let sums = residual_sums(x);
    (0..=MAX_ORDER).min_by_key(|&order| sums[order]).unwrap_or_default()
}

fn partition_order(length: usize, order: usize) -> u32 {
    let fits = |partitions: u32| {
        length.is_multiple_of(1 << partitions) && length >> partitions >= MIN_PARTITION.max(order + 1)
    };
    (0..=MAX_PARTITION_ORDER).rev().find(|&partitions| fits(partitions)).unwrap_or_default()
}

fn partition_length(length: usize, order: usize, partition_order: u32, index: usize) -> usize {
    let whole = length >> partition_order;
    if index == 0 { whole - order } else { whole }
}
