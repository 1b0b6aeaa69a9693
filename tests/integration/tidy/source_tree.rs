//! The files of `src`, parsed: their code without tests, and the imports between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree};

/// A file below `src`.
pub(super) struct SourceFile {
    /// Path below `src`, such as `sink/mqtt/outbox.rs`.
    pub name: String,
    pub text: String,
    /// Code without tests, comments and the content of literals, and with single spaces only
    /// between words.
    pub code: String,
    /// Module path below the crate, such as `["sink", "mqtt", "outbox"]`.
    module: Vec<String>,
    syntax: syn::File,
}

/// All files of `src`, in the order of their names. The code of files that exist only in test
/// builds is empty.
pub(super) fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "only {} source files were found", paths.len());
    let mut test_modules = BTreeSet::new();
    let mut files: Vec<SourceFile> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let mut syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("src/{name}: {error}"));
            let module = module_path(&name);
            remove_tests(&mut syntax.items, &module, &mut test_modules);
            SourceFile { name, text, code: String::new(), module, syntax }
        })
        .collect();
    for file in &mut files {
        if (1..=file.module.len()).any(|length| test_modules.contains(&file.module[..length])) {
            file.syntax.items.clear();
        }
        flatten(file.syntax.to_token_stream(), &mut file.code);
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

fn module_path(name: &str) -> Vec<String> {
    let mut path: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

/// Removes every item under `#[cfg(test)]`; modules among them are added to `test_modules`.
fn remove_tests(items: &mut Vec<Item>, module: &[String], test_modules: &mut BTreeSet<Vec<String>>) {
    items.retain(|item| {
        let is_test = is_test_only(attributes(item));
        if let (true, Item::Mod(inner)) = (is_test, item) {
            test_modules.insert(child(module, &inner.ident.to_string()));
        }
        !is_test
    });
    for item in items {
        match item {
            Item::Mod(inner) => {
                let path = child(module, &inner.ident.to_string());
                if let Some((_, items)) = &mut inner.content {
                    remove_tests(items, &path, test_modules);
                }
            }
            Item::Impl(block) => block.items.retain(|item| match item {
                ImplItem::Fn(function) => !is_test_only(&function.attrs),
                ImplItem::Const(constant) => !is_test_only(&constant.attrs),
                _ => true,
            }),
            _ => {}
        }
    }
}

fn child(module: &[String], name: &str) -> Vec<String> {
    [module, &[name.to_owned()]].concat()
}

/// Returns true for `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let mut code = String::new();
        flatten(attribute.meta.to_token_stream(), &mut code);
        code == "cfg(test)" || code.starts_with("cfg(all(test,")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Writes tokens without the content of literals.
fn flatten(tokens: TokenStream, code: &mut String) {
    for token in tokens {
        let word = match token {
            TokenTree::Ident(ident) => ident.to_string(),
            TokenTree::Literal(_) => "0".to_owned(),
            TokenTree::Punct(punctuation) => {
                code.push(punctuation.as_char());
                continue;
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                code.push_str(open);
                flatten(group.stream(), code);
                code.push_str(close);
                continue;
            }
        };
        if code.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
            code.push(' ');
        }
        code.push_str(&word);
    }
}

/// Modules by path, and the names that each brings into scope.
struct Modules<'files, 'names> {
    files: HashMap<&'files [String], &'files str>,
    names: HashMap<&'files [String], &'names HashMap<String, Vec<String>>>,
}

/// For each file, the files that define what its `use` items and paths name. Re-exports are
/// followed to the definition. A `mod` declaration is no import, nor is a re-export of a name that
/// the file itself does not use.
pub(super) fn imports(files: &[SourceFile]) -> BTreeMap<&str, BTreeSet<&str>> {
    let library: Vec<&SourceFile> = files.iter().filter(|file| file.name != "main.rs").collect();
    let found: Vec<PathFinder> = library
        .iter()
        .map(|file| {
            let mut finder = PathFinder { scope: file.module.clone(), ..PathFinder::default() };
            finder.visit_file(&file.syntax);
            finder
        })
        .collect();
    let modules = Modules {
        files: library.iter().map(|file| (&file.module[..], file.name.as_str())).collect(),
        names: library.iter().zip(&found).map(|(file, found)| (&file.module[..], &found.names)).collect(),
    };
    let targets = |file: &SourceFile, found: &PathFinder| {
        let used = found.reexports.iter().filter(|name| found.words.contains(*name));
        let used = used.filter_map(|name| Some((file.module.clone(), found.names.get(name)?.clone())));
        let paths = found.paths.iter().cloned().chain(used);
        let targets = paths.filter_map(|(scope, path)| modules.defining_file(&path, &scope, &file.module));
        targets.filter(|target| *target != file.name).collect()
    };
    library.iter().zip(&found).map(|(file, found)| (file.name.as_str(), targets(file, found))).collect()
}

impl<'files> Modules<'files, '_> {
    fn defining_file(&self, path: &[String], scope: &[String], module: &[String]) -> Option<&'files str> {
        let mut path = self.absolute(path, scope, module)?;
        // Re-exports of re-exports are never that deep.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
            let (module, rest) = path.split_at(length);
            let target = rest.first().and_then(|name| self.names.get(module)?.get(name));
            match target.and_then(|target| self.absolute(target, module, &[])) {
                Some(target) => path = [&target, &rest[1..]].concat(),
                None => break,
            }
        }
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        self.files.get(&path[..length]).copied()
    }

    /// The path from the root of the crate; `None` if it leads out of the crate. Names are those of
    /// `module`.
    fn absolute(&self, path: &[String], scope: &[String], module: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([scope, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|segment| *segment == "super").count();
                Some([&scope[..scope.len().checked_sub(ups)?], &path[ups..]].concat())
            }
            _ if self.files.contains_key(&child(scope, first)[..]) => Some([scope, path].concat()),
            _ => {
                let target = self.names.get(module)?.get(first)?;
                let is_external = target.first() == Some(first);
                if is_external { None } else { self.absolute(&[target, rest].concat(), module, &[]) }
            }
        }
    }
}

/// Paths of a file with the module that each stands in.
#[derive(Default)]
struct PathFinder {
    scope: Vec<String>,
    paths: Vec<(Vec<String>, Vec<String>)>,
    /// Names that `use` items bring into scope, with their paths.
    names: HashMap<String, Vec<String>>,
    /// Those that are re-exported.
    reexports: BTreeSet<String>,
    /// Paths of one segment.
    words: BTreeSet<String>,
}

impl PathFinder {
    fn add(&mut self, path: Vec<String>) {
        match &path[..] {
            [word] => {
                self.words.insert(word.clone());
            }
            _ => self.paths.push((self.scope.clone(), path)),
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &mut Vec<String>, is_private: bool) {
        let (name, path) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(&path.tree, before, is_private);
                before.pop();
                return;
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_use(tree, before, is_private));
            }
            UseTree::Glob(_) => return self.add(before.clone()),
            UseTree::Name(name) if name.ident == "self" => {
                (before.last().cloned().unwrap_or_default(), before.clone())
            }
            UseTree::Name(name) => (name.ident.to_string(), child(before, &name.ident.to_string())),
            UseTree::Rename(rename) => (rename.rename.to_string(), child(before, &rename.ident.to_string())),
        };
        self.names.insert(name.clone(), path.clone());
        match is_private {
            true => self.add(path),
            false => {
                self.reexports.insert(name);
            }
        }
    }
}

impl<'ast> Visit<'ast> for PathFinder {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_private = matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, &mut Vec::new(), is_private);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.scope.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.scope.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// The content of a macro call is not parsed; paths in it are found by their characters.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut code = String::new();
        flatten(call.tokens.clone(), &mut code);
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for path in code.split(|c| !is_path(c)) {
            let segments: Vec<String> =
                path.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
            if !segments.is_empty() {
                self.add(segments);
            }
        }
        visit::visit_macro(self, call);
    }
}

/// Groups of files that import each other, directly or through others.
pub(super) fn cycles<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let reachable = |start: &'a str| {
        let mut seen = BTreeSet::new();
        let mut todo = vec![start];
        while let Some(file) = todo.pop() {
            todo.extend(imports.get(file).into_iter().flatten().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<&str>> = imports.keys().map(|file| (*file, reachable(file))).collect();
    let mut cycles: Vec<Vec<&str>> = Vec::new();
    for (file, from_here) in all.iter().filter(|(file, seen)| seen.contains(*file)) {
        if cycles.iter().any(|cycle| cycle.contains(file)) {
            continue;
        }
        cycles.push(from_here.iter().copied().filter(|other| all[other].contains(file)).collect());
    }
    cycles
}
