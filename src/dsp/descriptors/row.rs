//! Descriptors of one window, as a row of values.

/// Number of descriptors per frame.
pub const FRAME_DESCRIPTORS: usize = 38;

/// Their names, in the order of [`Descriptors::moments`].
pub const FRAME_DESCRIPTOR_NAMES: [&str; FRAME_DESCRIPTORS] = [
    "zcr",
    "centroid",
    "bandwidth",
    "rolloff",
    "flatness",
    "rms",
    "mfcc_01",
    "mfcc_02",
    "mfcc_03",
    "mfcc_04",
    "mfcc_05",
    "mfcc_06",
    "mfcc_07",
    "mfcc_08",
    "mfcc_09",
    "mfcc_10",
    "mfcc_11",
    "mfcc_12",
    "mfcc_13",
    "mfcc_14",
    "mfcc_15",
    "mfcc_16",
    "mfcc_17",
    "mfcc_18",
    "mfcc_19",
    "mfcc_20",
    "chroma_c",
    "chroma_c_sharp",
    "chroma_d",
    "chroma_d_sharp",
    "chroma_e",
    "chroma_f",
    "chroma_f_sharp",
    "chroma_g",
    "chroma_g_sharp",
    "chroma_a",
    "chroma_a_sharp",
    "chroma_b",
];

/// Mean and population variance (NumPy's `var`, `ddof=0`) over a window's frames.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// Arithmetic mean, in the descriptor's unit.
    pub mean: f64,
    /// Variance, in the square of that unit.
    pub var: f64,
}

impl Moments {
    /// Moments of `values`; zeros if there are none.
    pub(super) fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        Self { mean, var: values.map(|value| (value - mean).powi(2)).sum::<f64>() / count }
    }
}

/// Descriptors of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// Tempo in beats per minute, from 7.5 to 288: librosa's `feature.tempo`.
    pub tempo: f64,
    /// Moments of [`FRAME_DESCRIPTOR_NAMES`], in that order.
    pub moments: [Moments; FRAME_DESCRIPTORS],
    /// Energy of the harmonic part over that of the percussive part, at least 0; 1 in silence.
    pub harmonic_ratio: f64,
}

impl Descriptors {
    /// Names of [`Descriptors::values`]: `tempo`, `zcr_mean`, `zcr_var`, …, `harmonic_ratio`.
    pub fn columns() -> Vec<String> {
        let moments =
            FRAME_DESCRIPTOR_NAMES.iter().flat_map(|name| [format!("{name}_mean"), format!("{name}_var")]);
        std::iter::once("tempo".to_owned()).chain(moments).chain(["harmonic_ratio".to_owned()]).collect()
    }

    /// All values, in the order of [`Descriptors::columns`].
    pub fn values(&self) -> Vec<f64> {
        let moments = self.moments.iter().flat_map(|moments| [moments.mean, moments.var]);
        std::iter::once(self.tempo).chain(moments).chain([self.harmonic_ratio]).collect()
    }
}
