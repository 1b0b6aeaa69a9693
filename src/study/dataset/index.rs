//! Data sets in a CSV file: one row per recording.

use std::collections::BTreeMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::entry::{Entry, without_extension};
use super::error::DatasetError;
use super::filter::Filter;

/// A CSV file with a header, and which of its columns are which.
pub(in crate::study) struct Table {
    pub(in crate::study) header: Vec<String>,
    /// With the line that each began on.
    pub(in crate::study) rows: Vec<(u64, StringRecord)>,
}

impl Table {
    /// Reads all of `path`; cells and names lose the blanks around them.
    pub(in crate::study) fn read(path: &Path) -> Result<Self, DatasetError> {
        let wrong = |error: csv::Error| match error.kind() {
            csv::ErrorKind::Io(error) => {
                DatasetError::Unreadable { path: path.into(), what: error.to_string() }
            }
            _ => DatasetError::Index { path: path.into(), what: error.to_string() },
        };
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_path(path).map_err(wrong)?;
        let header = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let rows = reader
            .into_records()
            .map(|row| row.map(|row| (row.position().map_or(0, csv::Position::line), row)))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        Ok(Self { header, rows })
    }

    /// Index of the first of `names` that is a column, whatever its case.
    pub(in crate::study) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|known| known.eq_ignore_ascii_case(name)))
    }
}

/// The rows that pass `filters` and have a label, and how many of those that pass have none.
pub(super) fn read(path: &Path, filters: &[Filter]) -> Result<(Vec<Entry>, usize), DatasetError> {
    let wrong = |what: String| DatasetError::Index { path: path.into(), what };
    let table = Table::read(path)?;
    let need = |names: &[&str]| {
        table.column(names).ok_or_else(|| {
            wrong(format!(
                "there is no column `{}`; it has {}",
                names.join("` or `"),
                table.header.join(", ")
            ))
        })
    };
    let file = need(&["path"])?;
    let label = need(&["genre", "label"])?;
    let track = table.column(&["track"]);
    let group = table.column(&["group", "artist"]);
    let filters = filters
        .iter()
        .map(|filter| Ok((need(&[&filter.column])?, filter.value.as_str())))
        .collect::<Result<Vec<_>, DatasetError>>()?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    let (mut entries, mut unlabelled) = (Vec::new(), 0);
    for (line, row) in &table.rows {
        let cell = |column: usize| row.get(column).unwrap_or_default();
        let known =
            |column: Option<usize>| column.map(cell).filter(|text| !text.is_empty()).map(str::to_owned);
        if !passes(row, &filters) {
            continue;
        }
        let name = known(Some(file)).ok_or_else(|| wrong(format!("line {line} has an empty `path`")))?;
        let labels: Vec<String> = cell(label)
            .split(['|', ';'])
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(Into::into)
            .collect();
        if labels.is_empty() {
            unlabelled += 1;
            continue;
        }
        if let Some(first) = lines.insert(name.clone(), *line) {
            return Err(wrong(format!(
                "lines {first} and {line} are both `{name}`; a file has one row (several labels in it are separated by `|`)"
            )));
        }
        let used = [Some(file), Some(label), track, group];
        entries.push(Entry {
            track: known(track).unwrap_or_else(|| without_extension(Path::new(&name))),
            path: folder.join(&name),
            labels,
            group: known(group),
            columns: (0..table.header.len())
                .filter(|column| !used.contains(&Some(*column)))
                .map(|column| (table.header[column].clone(), cell(column).to_owned()))
                .collect(),
        });
    }
    if entries.is_empty() {
        return Err(match filters.is_empty() {
            true => wrong("it has no labelled row".into()),
            false => DatasetError::NothingLeft {
                path: path.into(),
                filters: filters
                    .iter()
                    .map(|(column, value)| format!("`{}={value}`", table.header[*column]))
                    .collect::<Vec<_>>()
                    .join(" "),
            },
        });
    }
    Ok((entries, unlabelled))
}

/// Of the filters on one column any must fit, and each column's must.
fn passes(row: &StringRecord, filters: &[(usize, &str)]) -> bool {
    filters.iter().all(|(column, _)| {
        filters.iter().any(|(other, value)| other == column && row.get(*other) == Some(*value))
    })
}
