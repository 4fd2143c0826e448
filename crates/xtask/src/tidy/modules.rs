//! The modules of a crate, and which of them uses which.
//!
//! It reads declarations, imports and paths, and follows re-exports to the module that defines a name. It does not know types:
//! a method or a field is no use of the module that its type is from. Code for tests is left out.

use std::collections::HashMap;
use std::path::Path;

use super::Tree;
use super::tokens::{Token, tokens};

/// Names are followed through no more imports than these, since imports can refer to each other.
const LONGEST_CHAIN: u32 = 32;

/// The modules of one crate; the first one is its root.
#[derive(Debug, Default)]
pub(super) struct Modules {
    modules: Vec<Module>,
}

#[derive(Debug, Default)]
struct Module {
    name: String,
    parent: usize,
    file: String,
    children: HashMap<String, usize>,
    /// The names of what it defines.
    definitions: Vec<String>,
    imports: Vec<Import>,
    /// Paths in its code, beside those of its imports.
    paths: Vec<(Vec<String>, usize)>,
}

#[derive(Debug)]
struct Import {
    path: Vec<String>,
    /// The name that it brings into the module; none if it brings all names of another.
    name: Option<String>,
    line: usize,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

/// A place where a module uses another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// The sibling modules: the first one, or a module inside it, uses the second one, or a module inside that.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where, and by which path.
    pub(super) place: String,
}

impl Modules {
    /// Reads the crate whose first file is `root`.
    pub(super) fn read(tree: &Tree, root: &Path) -> Self {
        let mut modules = Self::default();
        let folder = root.parent().unwrap_or(root);
        modules.read_file(tree, root, folder, "", 0);
        modules
    }

    /// All uses between modules neither of which holds the other, as uses between the siblings that hold them.
    ///
    /// A module and what is inside it are one idea, so that uses between them are left out.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (at, module) in self.modules.iter().enumerate() {
            let imports = module.imports.iter().map(|import| (&import.path, import.line));
            for (path, line) in imports.chain(module.paths.iter().map(|(path, line)| (path, *line))) {
                let Some(Target::Module(target) | Target::Item(target)) = self.resolve(at, path, 0) else {
                    continue;
                };
                if let Some((from, to)) = self.siblings(at, target) {
                    let place = format!("{}:{} uses {}", module.file, line + 1, path.join("::"));
                    uses.push(Use { from, to, place });
                }
            }
        }
        uses
    }

    /// The path of a module from the root of its crate.
    pub(super) fn path(&self, module: usize) -> String {
        let names: Vec<&str> = self.lineage(module).iter().skip(1).map(|at| self.modules[*at].name.as_str()).collect();
        names.join("::")
    }

    /// From the root to the module.
    fn lineage(&self, module: usize) -> Vec<usize> {
        let mut lineage = vec![module];
        let mut at = module;
        while at != 0 {
            at = self.modules[at].parent;
            lineage.push(at);
        }
        lineage.reverse();
        lineage
    }

    /// The two children of one module that hold these two; none if one of the two holds the other.
    fn siblings(&self, one: usize, other: usize) -> Option<(usize, usize)> {
        let (one, other) = (self.lineage(one), self.lineage(other));
        one.into_iter().zip(other).find(|(one, other)| one != other)
    }

    /// Follows a path that stands in a module; none if it leads out of the crate.
    fn resolve(&self, module: usize, path: &[String], chain: u32) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(0, rest, chain),
            "self" => self.walk(module, rest, chain),
            "super" => {
                let parent = self.modules[module].parent;
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve(parent, rest, chain),
                    _ => self.walk(parent, rest, chain),
                }
            }
            _ if self.knows(module, first) => self.walk(module, path, chain),
            _ => self.find_imported(module, path, chain),
        }
    }

    /// Follows a path that begins with a name in a module.
    fn walk(&self, at: usize, path: &[String], chain: u32) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Some(Target::Module(at));
        };
        let module = &self.modules[at];
        if let Some(child) = module.children.get(first) {
            return self.walk(*child, rest, chain);
        }
        if module.definitions.contains(first) {
            return Some(Target::Item(at));
        }
        if let Some(import) = module.imports.iter().find(|import| import.name.as_ref() == Some(first)) {
            if chain == LONGEST_CHAIN {
                return None;
            }
            return match self.resolve(at, &import.path, chain + 1)? {
                Target::Module(module) => self.walk(module, rest, chain + 1),
                item @ Target::Item(_) => Some(item),
            };
        }
        self.find_imported(at, path, chain).or(Some(Target::Item(at)))
    }

    /// Looks for the beginning of a path among the names that a module imports by `*`.
    fn find_imported(&self, module: usize, path: &[String], chain: u32) -> Option<Target> {
        if chain == LONGEST_CHAIN {
            return None;
        }
        let mut imports = self.modules[module].imports.iter().filter(|import| import.name.is_none());
        imports.find_map(|import| match self.resolve(module, &import.path, chain + 1)? {
            Target::Module(target) if self.knows(target, path.first()?) => self.walk(target, path, chain + 1),
            Target::Module(target) => self.find_imported(target, path, chain + 1),
            Target::Item(_) => None,
        })
    }

    /// Tells whether a module names something itself, rather than by `*`.
    fn knows(&self, module: usize, name: &String) -> bool {
        let module = &self.modules[module];
        module.children.contains_key(name)
            || module.definitions.contains(name)
            || module.imports.iter().any(|import| import.name.as_ref() == Some(name))
    }

    /// Adds a module; the first one is the root.
    fn add(&mut self, name: &str, parent: usize, file: &Path) -> usize {
        let index = self.modules.len();
        let file = file.to_string_lossy().into_owned();
        self.modules.push(Module { name: name.to_owned(), parent, file, ..Module::default() });
        if index > 0 {
            self.modules[parent].children.insert(name.to_owned(), index);
        }
        index
    }

    /// Reads the module in a file; those that it declares are in `folder`.
    fn read_file(&mut self, tree: &Tree, file: &Path, folder: &Path, name: &str, parent: usize) {
        if let Some(text) = tree.file(file).map(|file| &file.text) {
            let module = self.add(name, parent, file);
            self.read_code(tree, &tokens(text), module, (file, folder));
        }
    }

    fn read_code(&mut self, tree: &Tree, code: &[Token<'_>], module: usize, (file, folder): (&Path, &Path)) {
        let mut at = 0;
        while let Some(token) = code.get(at) {
            let text = |ahead: usize| code.get(at + ahead).map_or("", |token| token.text);
            let names = code.get(at + 1).is_some_and(Token::is_word);
            match token.text {
                "#" if is_for_tests(&code[at..]) => at += item_len(&code[at..]),
                "mod" if names && text(2) == ";" => {
                    let (name, inside) = (text(1), folder.join(text(1)));
                    let beside = folder.join(format!("{name}.rs"));
                    let file = if tree.file(&beside).is_some() { beside } else { inside.join("mod.rs") };
                    self.read_file(tree, &file, &inside, name, module);
                    at += 3;
                }
                "mod" if names && text(2) == "{" => {
                    let len = group_len(&code[at + 2..]);
                    let inner = self.add(text(1), module, file);
                    self.read_code(tree, &code[at + 3..at + 2 + len], inner, (file, &folder.join(text(1))));
                    at += 2 + len;
                }
                "use" if names || text(1) == "::" || text(1) == "{" => {
                    let len = code[at..].iter().position(|token| token.text == ";").unwrap_or(code.len() - at);
                    read_import(&code[at + 1..at + len], &[], &mut self.modules[module].imports);
                    at += len;
                }
                "const" if text(1) == "fn" => at += 1,
                "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" | "fn" if names => {
                    self.modules[module].definitions.push(text(1).to_owned());
                    at += 2;
                }
                "macro_rules" => {
                    self.modules[module].definitions.push(text(2).to_owned());
                    at += 3;
                }
                _ if token.is_word() && text(1) == "::" => {
                    let path = path_of(&code[at..]);
                    at += path.len() * 2 - 1;
                    self.modules[module].paths.push((path, token.line));
                }
                // A path that begins with `::` leads to another crate.
                "::" => at += 1 + path_of(&code[at + 1..]).len(),
                _ => at += 1,
            }
        }
    }
}

/// The words of a path, which begins with a word.
fn path_of(code: &[Token<'_>]) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = 0;
    while let Some(word) = code.get(at).filter(|token| token.is_word()) {
        path.push(word.text.to_owned());
        if code.get(at + 1).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 2;
    }
    path
}

/// Reads a tree of imports, such as `a::{b, c as d, e::*}`.
fn read_import(tree: &[Token<'_>], prefix: &[String], imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut at = 0;
    while let Some(token) = tree.get(at) {
        match token.text {
            "{" => {
                let mut rest = &tree[at + 1..at + group_len(&tree[at..]) - 1];
                while !rest.is_empty() {
                    let len = import_len(rest);
                    read_import(&rest[..len], &path, imports);
                    rest = rest.get(len + 1..).unwrap_or_default();
                }
                return;
            }
            "*" => return imports.push(Import { path, name: None, line: token.line }),
            "as" => name = tree.get(at + 1).map(|token| token.text.to_owned()),
            "self" if !path.is_empty() => {}
            "::" => {}
            // The name behind `as` is none of the path.
            _ if name.is_some() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if let (Some(first), Some(last)) = (tree.first(), path.last()) {
        let name = name.or_else(|| Some(last.clone()));
        imports.push(Import { name, path, line: first.line });
    }
}

/// The length up to the comma that ends one of several trees of imports.
fn import_len(trees: &[Token<'_>]) -> usize {
    let mut depth = 0;
    let ends = |token: &Token<'_>| {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text == ","
    };
    trees.iter().position(ends).unwrap_or(trees.len())
}

/// The length of a group that begins with an opening bracket, both brackets included.
fn group_len(code: &[Token<'_>]) -> usize {
    let mut depth = 0;
    let ends = |token: &Token<'_>| {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    };
    code.iter().position(ends).map_or(code.len(), |last| last + 1)
}

/// Tells whether the attribute that the code begins with leaves what follows to tests.
fn is_for_tests(code: &[Token<'_>]) -> bool {
    let words: Vec<&str> = code.iter().map(|token| token.text).take(group_len(&code[1..]) + 1).collect();
    match words.as_slice() {
        ["#", "[", "test", "]"] => true,
        ["#", "[", "cfg", condition @ ..] => condition.contains(&"test") && !condition.contains(&"not"),
        _ => false,
    }
}

/// The length of what the code begins with: its attributes and an item, or else a field, a variant or a statement.
fn item_len(code: &[Token<'_>]) -> usize {
    const FIELDS_END_WITH_COMMAS: [&str; 3] = [",", "}", ")"];
    let mut at = 0;
    while code.get(at).is_some_and(|token| token.text == "#") {
        at += 1 + group_len(&code[at + 1..]);
    }
    let is_item = |token: &Token<'_>| {
        matches!(token.text, "fn" | "impl" | "mod" | "use" | "struct" | "enum" | "trait" | "type" | "const" | "static")
    };
    let first_words = code[at..].iter().take(6).take_while(|token| !matches!(token.text, ":" | "{" | "="));
    let is_item = first_words.into_iter().any(is_item);
    let is_import = is_item && code[at..].iter().take(5).any(|token| token.text == "use");
    while let Some(token) = code.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" if !is_import => return at + group_len(&code[at..]),
            "(" | "[" | "{" => at += group_len(&code[at..]),
            "," if !is_item => return at + 1,
            end if !is_item && FIELDS_END_WITH_COMMAS.contains(&end) => return at,
            _ => at += 1,
        }
    }
    code.len()
}

#[cfg(test)]
mod tests;
