//! Parsed TOML document with the position of each value in the text.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, line_at};
use super::syntax;

/// A parsed configuration file.
#[derive(Debug, Clone)]
pub(crate) struct Document<'a> {
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

/// A value and the offset of its key in the text.
type ValuePosition<'d, 'a> = (usize, &'d Spanned<DeValue<'a>>);

/// Callback that receives the path, the offset of the key and the value of an entry.
type EntryVisitor<'v, 'd, 'a, E> = dyn FnMut(&str, usize, &'d Spanned<DeValue<'a>>) -> Result<(), E> + 'v;

/// Callback that receives the path and the text of a string; `Some` replaces the text.
type StringRewriter<'c, E> = dyn Fn(&str, &str) -> Result<Option<String>, E> + 'c;

impl<'a> Document<'a> {
    /// Parses `text`.
    ///
    /// # Errors
    /// `text` is not TOML.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Fault> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { text, table }),
            Err(error) => Err(syntax::explain(text, &error)),
        }
    }

    /// Returns the root table.
    pub(crate) fn table(&self) -> &Spanned<DeTable<'a>> {
        &self.table
    }

    /// Keeps only the root keys that are in `keys`.
    pub(crate) fn retain(&mut self, keys: &[&str]) {
        let table = self.table.get_mut();
        let others: Vec<_> = table.keys().filter(|key| !keys.contains(&&**key.get_ref())).cloned().collect();
        for key in others {
            table.remove(&key);
        }
    }

    /// Returns the number, from 1, of the line at `offset`.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        line_at(self.text, offset)
    }

    /// Returns the line of the key `path`, such as `source.1.silence.after_s`, or of its deepest
    /// existing parent.
    pub(crate) fn line_of(&self, path: &str) -> Option<usize> {
        let mut keys = path.split('.');
        let mut found = entry(self.table.get_ref(), keys.next()?)?;
        for key in keys {
            let below = match found.1.get_ref() {
                DeValue::Table(table) => entry(table, key),
                DeValue::Array(array) => key.parse().ok().and_then(|index: usize| {
                    let element = array.get(index)?;
                    Some((element.span().start, element))
                }),
                _ => None,
            };
            let Some(below) = below else { break };
            found = below;
        }
        Some(self.line_at(found.0))
    }

    /// Returns the line of every key, by its path.
    pub(crate) fn lines(&self) -> HashMap<String, usize> {
        let mut lines = HashMap::new();
        let _: Result<(), ()> = self.each(&mut |path, offset, _| {
            lines.insert(path.to_owned(), self.line_at(offset));
            Ok(())
        });
        lines
    }

    /// Returns path and value of the innermost key whose name or value is at `offset`.
    pub(crate) fn at(&self, offset: usize) -> Option<(String, &Spanned<DeValue<'a>>)> {
        let mut found = None;
        let _: Result<(), ()> = self.each(&mut |path, key_offset, value| {
            if key_offset == offset || value.span().contains(&offset) {
                found = Some((path.to_owned(), value));
            }
            Ok(())
        });
        found
    }

    /// Calls `visit` for every entry, parents first.
    pub(crate) fn each<'d, E>(&'d self, visit: &mut EntryVisitor<'_, 'd, 'a, E>) -> Result<(), E> {
        each_in(self.table.get_ref(), "", visit)
    }

    /// Replaces every string `s` by `rewrite(path, s)` where that is `Some`.
    ///
    /// # Errors
    /// The first error of `rewrite`, with the line of the string.
    pub(crate) fn rewrite_strings<E: std::fmt::Display>(
        &mut self,
        rewrite: &StringRewriter<'_, E>,
    ) -> Result<(), Fault> {
        let text = self.text;
        for (key, value) in self.table.get_mut().iter_mut() {
            let path = key.get_ref().to_string();
            rewrite_value(value, &path, rewrite)
                .map_err(|(offset, error)| Fault::at_line(line_at(text, offset), error.to_string()))?;
        }
        Ok(())
    }
}

fn entry<'d, 'a>(table: &'d DeTable<'a>, key: &str) -> Option<ValuePosition<'d, 'a>> {
    let (name, value) = table.iter().find(|(name, _)| **name.get_ref() == *key)?;
    Some((name.span().start, value))
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn each_in<'d, 'a, E>(
    table: &'d DeTable<'a>,
    path: &str,
    visit: &mut EntryVisitor<'_, 'd, 'a, E>,
) -> Result<(), E> {
    for (name, value) in table.iter() {
        each_below(&below(path, name.get_ref()), name.span().start, value, visit)?;
    }
    Ok(())
}

fn each_below<'d, 'a, E>(
    path: &str,
    offset: usize,
    value: &'d Spanned<DeValue<'a>>,
    visit: &mut EntryVisitor<'_, 'd, 'a, E>,
) -> Result<(), E> {
    visit(path, offset, value)?;
    match value.get_ref() {
        DeValue::Table(table) => each_in(table, path, visit),
        DeValue::Array(array) => array.iter().enumerate().try_for_each(|(index, element)| {
            each_below(&below(path, &index.to_string()), element.span().start, element, visit)
        }),
        _ => Ok(()),
    }
}

fn rewrite_value<E>(
    value: &mut Spanned<DeValue<'_>>,
    path: &str,
    rewrite: &StringRewriter<'_, E>,
) -> Result<(), (usize, E)> {
    let offset = value.span().start;
    match value.get_mut() {
        DeValue::String(string) => {
            if let Some(new) = rewrite(path, string).map_err(|error| (offset, error))? {
                *string = new.into();
            }
        }
        DeValue::Table(table) => {
            for (name, value) in table.iter_mut() {
                rewrite_value(value, &below(path, name.get_ref()), rewrite)?;
            }
        }
        DeValue::Array(array) => {
            for (index, value) in array.iter_mut().enumerate() {
                rewrite_value(value, &below(path, &index.to_string()), rewrite)?;
            }
        }
        _ => {}
    }
    Ok(())
}
