//! `genred features`

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

/// Write the log-mel frames of a file, as the daemon's front end makes them, or its descriptors.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  genred features song.mp3 --out mel.npy                      float32 [frames, bands]
  genred features song.mp3 --descriptors > song.csv           a row every second, over three seconds
  genred features song.mp3 --descriptors --format json        the same, one object a line")]
pub struct Args {
    /// A sound file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write float32 `[frames, bands]`, in NumPy's format; with --descriptors the
    /// rows, else on standard output
    #[arg(long, value_name = "PATH", required_unless_present = "descriptors")]
    out: Option<PathBuf>,
    /// Tempo, spectral shape, MFCCs, chroma and more of three-second windows, as librosa computes them
    #[arg(long)]
    descriptors: bool,
    /// How descriptors are written
    #[arg(long, value_enum, default_value_t = Format::Csv, requires = "descriptors")]
    format: Format,
    /// Model bundle whose front end to use: a name or a path
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd", conflicts_with = "descriptors")]
    model: String,
}

/// How descriptors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A header, then a row a window
    Csv,
    /// An object a window, one a line
    Json,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.descriptors {
        describe(args)?;
    } else if let Some(out) = &args.out {
        let bundle = Bundle::open(&args.model)?;
        let frames = offline::features(&args.file, &bundle.front_end)?;
        write_npy(out, &frames, bundle.front_end.bands)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `values`, row-major with `columns` a row.
pub fn write_npy(path: &Path, values: &[f32], columns: usize) -> anyhow::Result<()> {
    let array = ArrayView2::from_shape((values.len() / columns, columns), values)?;
    ndarray_npy::write_npy(path, &array).with_context(|| cannot_write(path))
}

fn describe(args: &Args) -> anyhow::Result<()> {
    // All of it before anything is written: a file that fails leaves no half of a table.
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
                // Who reads has seen enough, as `head` does.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => written.context("standard output cannot be written"),
            }
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("`{}` cannot be written", path.display())
}

/// Writes every window with the name of its file, its start and end in seconds, and its descriptors.
fn write_rows(
    mut out: impl Write,
    format: Format,
    file: &str,
    rows: &[(PatchSpan, Descriptors)],
) -> std::io::Result<()> {
    let columns = Descriptors::columns();
    if format == Format::Csv {
        writeln!(out, "file,start,end,{}", columns.join(","))?;
    }
    for (span, descriptors) in rows {
        let numbers = numbers(*span, descriptors);
        match format {
            Format::Csv => {
                write!(out, "{}", quoted(file))?;
                numbers.iter().try_for_each(|number| write!(out, ",{number}"))?;
                writeln!(out)?;
            }
            Format::Json => {
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

/// Start, end and descriptors, to the nine digits that tell single-precision numbers apart,
/// written alike in both formats.
fn numbers(span: PatchSpan, descriptors: &Descriptors) -> Vec<serde_json::Number> {
    let times = [span.start, span.end].map(|seconds| (seconds * 1e6).round() / 1e6);
    let values = descriptors.values().into_iter().map(nine_digits);
    times.into_iter().chain(values).filter_map(serde_json::Number::from_f64).collect()
}

fn nine_digits(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

/// A field of a CSV row, in quotes where RFC 4180 asks for them.
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

    fn written(format: Format, file: &str) -> String {
        let silence = Describer::new().describe(&[0.0; 1000]).unwrap();
        let rows = [0.0, 1.0].map(|start| (PatchSpan { start, end: start + 3.0 }, silence.clone()));
        let mut out = Vec::new();
        write_rows(&mut out, format, file, &rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_header_and_as_many_fields_in_each_row() {
        let text = written(Format::Csv, "a.wav");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("file,start,end,tempo,zcr_mean,zcr_var,"), "{}", lines[0]);
        assert!(lines[2].starts_with("a.wav,1.0,4.0,117.453835,0.0,0.0,"), "{}", lines[2]);
        assert!(lines.iter().all(|line| line.split(',').count() == 81));
    }

    #[test]
    fn json_has_the_same_keys_and_values() {
        let (csv, json) = (written(Format::Csv, "a.wav"), written(Format::Json, "a.wav"));
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
        assert!(written(Format::Csv, "a,b.wav").contains("\n\"a,b.wav\",0.0,"));
    }
}
