//! `genred features`: writes log-mel frames or audio descriptors of a file.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ndarray::ArrayView2;
use serde_json::{Map, Value};

use crate::audio::PatchSpan;
use crate::dsp::descriptors::Descriptors;
use crate::model::Bundle;
use crate::study::offline;

/// Options of `genred features`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  genred features song.mp3 --out mel.npy                      Log-mel frames
  genred features song.mp3 --descriptors > song.csv           Descriptors, one row per second
  genred features song.mp3 --descriptors --format json        Descriptors, one object per second")]
pub(crate) struct FeaturesArgs {
    /// Audio file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Output file: log-mel frames as a NumPy array, float32 `[frames, bands]`; with --descriptors,
    /// the descriptors [default for descriptors: standard output]
    #[arg(long, value_name = "PATH", required_unless_present = "descriptors")]
    out: Option<PathBuf>,
    /// Compute tempo, spectral shape, MFCCs, chroma and more over three-second windows, as librosa
    /// does
    #[arg(long)]
    descriptors: bool,
    /// Format of the descriptors
    #[arg(long, value_enum, default_value_t = DescriptorFormat::Csv, requires = "descriptors")]
    format: DescriptorFormat,
    /// Name or path of the model bundle that defines the front end
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd", conflicts_with = "descriptors")]
    model: String,
}

/// Output format of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DescriptorFormat {
    /// A header and one row per window
    Csv,
    /// One object per window and line
    Json,
}

pub(crate) fn run(args: &FeaturesArgs) -> anyhow::Result<ExitCode> {
    if args.descriptors {
        describe(args)?;
    } else if let Some(out) = &args.out {
        let bundle = Bundle::open(&args.model)?;
        let frames = offline::features(&args.file, &bundle.front_end)?;
        write_npy(out, &frames, bundle.front_end.bands)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `values`, row-major with `columns` values per row, as a NumPy array.
pub(crate) fn write_npy(path: &Path, values: &[f32], columns: usize) -> anyhow::Result<()> {
    let array = ArrayView2::from_shape((values.len() / columns, columns), values)?;
    ndarray_npy::write_npy(path, &array).with_context(|| cannot_write(path))
}

fn describe(args: &FeaturesArgs) -> anyhow::Result<()> {
    // Computed before anything is written, so that a failure leaves no partial table.
    let rows = offline::descriptors(&args.file)?;
    let file = args.file.display().to_string();
    match &args.out {
        Some(path) => {
            let out = BufWriter::new(File::create(path).with_context(|| cannot_write(path))?);
            write_rows(out, args.format, &file, &rows).with_context(|| cannot_write(path))
        }
        None => {
            let out = BufWriter::new(std::io::stdout().lock());
            match write_rows(out, args.format, &file, &rows) {
                // A closed pipe is no error, as in `genred features … | head`.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => written.context("standard output cannot be written"),
            }
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("`{}` cannot be written", path.display())
}

/// Writes file name, start and end in seconds, and descriptors of each window.
fn write_rows(
    mut out: impl Write,
    format: DescriptorFormat,
    file: &str,
    rows: &[(PatchSpan, Descriptors)],
) -> std::io::Result<()> {
    let columns = Descriptors::columns();
    if format == DescriptorFormat::Csv {
        writeln!(out, "file,start,end,{}", columns.join(","))?;
    }
    for (span, descriptors) in rows {
        let numbers = numbers(*span, descriptors);
        match format {
            DescriptorFormat::Csv => {
                write!(out, "{}", quoted(file))?;
                numbers.iter().try_for_each(|number| write!(out, ",{number}"))?;
                writeln!(out)?;
            }
            DescriptorFormat::Json => {
                let names = ["start", "end"].into_iter().chain(columns.iter().map(String::as_str));
                let mut object = Map::new();
                object.insert("file".into(), file.into());
                object.extend(names.map(str::to_owned).zip(numbers.into_iter().map(Value::Number)));
                writeln!(out, "{}", Value::Object(object))?;
            }
        }
    }
    out.flush()
}

/// Returns start, end and descriptors, rounded to nine significant digits, which distinguish all
/// single-precision numbers.
fn numbers(span: PatchSpan, descriptors: &Descriptors) -> Vec<serde_json::Number> {
    let times = [span.start, span.end].map(|seconds| (seconds * 1e6).round() / 1e6);
    let values = descriptors.values().into_iter().map(nine_digits);
    times.into_iter().chain(values).filter_map(serde_json::Number::from_f64).collect()
}

fn nine_digits(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

/// Returns a field of a CSV row, quoted as RFC 4180 requires.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::descriptors::Describer;

    fn written(format: DescriptorFormat, file: &str) -> String {
        let silence = Describer::new().describe(&[0.0; 1000]).unwrap();
        let rows = [0.0, 1.0].map(|start| (PatchSpan { start, end: start + 3.0 }, silence.clone()));
        let mut out = Vec::new();
        write_rows(&mut out, format, file, &rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_header_and_as_many_fields_in_each_row() {
        let text = written(DescriptorFormat::Csv, "a.wav");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("file,start,end,tempo,zcr_mean,zcr_var,"), "{}", lines[0]);
        assert!(lines[2].starts_with("a.wav,1.0,4.0,117.453835,0.0,0.0,"), "{}", lines[2]);
        assert!(lines.iter().all(|line| line.split(',').count() == 81));
    }

    #[test]
    fn json_has_the_same_keys_and_values() {
        let (csv, json) = (written(DescriptorFormat::Csv, "a.wav"), written(DescriptorFormat::Json, "a.wav"));
        let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        for (row, line) in csv.lines().skip(1).zip(json.lines()) {
            let object: Map<String, Value> = serde_json::from_str(line).unwrap();
            assert_eq!(object.keys().collect::<Vec<_>>(), header);
            for (value, field) in object.values().zip(row.split(',')).skip(1) {
                assert_eq!(value.to_string(), field);
            }
        }
        assert_eq!(json.lines().count(), 2);
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a b.wav"), "a b.wav");
        assert_eq!(quoted("a, \"b\".wav"), "\"a, \"\"b\"\".wav\"");
        assert!(written(DescriptorFormat::Csv, "a,b.wav").contains("\n\"a,b.wav\",0.0,"));
    }
}
