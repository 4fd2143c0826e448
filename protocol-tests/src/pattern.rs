//! The subset of regular expressions that recordings use.
//!
//! A conformance run must end whatever a server sends, so a text is matched in one pass over all states at once (Thompson's
//! way), never by backtracking.

mod syntax;

use serde::Deserialize;

use syntax::{Node, Set};

/// A compiled regular expression: literals, classes, groups, alternatives and repetitions, greedy or lazy.
///
/// `.` is any character, the end of a line included. Anchors, back references and look-around are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    program: Vec<Instruction>,
}

impl Pattern {
    /// Compiles a regular expression.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let node = syntax::parse(text)?;
        let mut program = vec![];
        compile(&node, &mut program);
        program.push(Instruction::Found);
        Ok(Self { program })
    }

    /// Whether the expression matches the whole text.
    pub fn matches_whole(&self, text: &str) -> bool {
        self.run(text, Extent::Whole).is_some()
    }

    /// Returns what the first group captured in the leftmost match, or `None` if nothing matches.
    pub fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        let group = self.run(text, Extent::Anywhere)?;
        match (group.start, group.end) {
            (Some(start), Some(end)) => text.get(start..end),
            _ => Some(""),
        }
    }

    fn run(&self, text: &str, extent: Extent) -> Option<Group> {
        let mut current = Threads::new(self.program.len());
        let mut found = None;
        let ends = std::iter::once((text.len(), None));
        for (position, next) in text.char_indices().map(|(at, c)| (at, Some(c))).chain(ends) {
            if found.is_none() && (position == 0 || matches!(extent, Extent::Anywhere)) {
                current.follow(&self.program, 0, position, Group::default());
            }
            let mut following = Threads::new(self.program.len());
            for (at, group) in current.list {
                match (&self.program[at], next) {
                    (Instruction::One(set), Some(c)) if set.contains(c) => {
                        following.follow(&self.program, at + 1, position + c.len_utf8(), group);
                    }
                    (Instruction::Found, next) if next.is_none() || matches!(extent, Extent::Anywhere) => {
                        found = Some(group);
                        // Threads behind this one are worse matches.
                        break;
                    }
                    _ => {}
                }
            }
            if found.is_some() && following.list.is_empty() {
                break;
            }
            current = following;
        }
        found
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

/// Why a regular expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The expression ends too early.
    #[error("the expression ends inside a group, a class or a repetition")]
    Unfinished,
    /// A character has no meaning at its position, or one that is not supported.
    #[error("`{0}` is not supported here")]
    Unsupported(char),
}

#[derive(Clone, Copy)]
enum Extent {
    Whole,
    Anywhere,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Instruction {
    One(Set),
    Jump(usize),
    /// Continues at both targets and prefers the first.
    Split(usize, usize),
    GroupStarts,
    GroupEnds,
    Found,
}

/// The bounds of the first group.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    start: Option<usize>,
    end: Option<usize>,
}

/// The states alive at one position of the text, best first.
struct Threads {
    list: Vec<(usize, Group)>,
    seen: Vec<bool>,
}

impl Threads {
    fn new(len: usize) -> Self {
        Self { list: vec![], seen: vec![false; len] }
    }

    /// Adds every state that can be reached without a character.
    fn follow(&mut self, program: &[Instruction], at: usize, position: usize, group: Group) {
        let mut open = vec![(at, group)];
        while let Some((at, mut group)) = open.pop() {
            if std::mem::replace(&mut self.seen[at], true) {
                continue;
            }
            match &program[at] {
                Instruction::Jump(to) => open.push((*to, group)),
                Instruction::Split(first, second) => open.extend([(*second, group), (*first, group)]),
                Instruction::GroupStarts => {
                    group.start = Some(position);
                    open.push((at + 1, group));
                }
                Instruction::GroupEnds => {
                    group.end = Some(position);
                    open.push((at + 1, group));
                }
                Instruction::One(_) | Instruction::Found => self.list.push((at, group)),
            }
        }
    }
}

fn compile(node: &Node, program: &mut Vec<Instruction>) {
    match node {
        Node::One(set) => program.push(Instruction::One(set.clone())),
        Node::Sequence(nodes) => nodes.iter().for_each(|node| compile(node, program)),
        Node::FirstGroup(node) => {
            program.push(Instruction::GroupStarts);
            compile(node, program);
            program.push(Instruction::GroupEnds);
        }
        Node::Either(first, second) => {
            let split = reserve(program);
            compile(first, program);
            let jump = reserve(program);
            program[split] = Instruction::Split(split + 1, program.len());
            compile(second, program);
            program[jump] = Instruction::Jump(program.len());
        }
        Node::Repeat { node, least, most, lazy } => {
            (0..*least).for_each(|_| compile(node, program));
            match most {
                None => compile_loop(node, *lazy, program),
                Some(most) => (*least..*most).for_each(|_| compile_option(node, *lazy, program)),
            }
        }
    }
}

fn compile_loop(node: &Node, lazy: bool, program: &mut Vec<Instruction>) {
    let split = reserve(program);
    compile(node, program);
    program.push(Instruction::Jump(split));
    program[split] = choice(split + 1, program.len(), lazy);
}

fn compile_option(node: &Node, lazy: bool, program: &mut Vec<Instruction>) {
    let split = reserve(program);
    compile(node, program);
    program[split] = choice(split + 1, program.len(), lazy);
}

fn choice(inside: usize, behind: usize, lazy: bool) -> Instruction {
    if lazy { Instruction::Split(behind, inside) } else { Instruction::Split(inside, behind) }
}

/// Leaves room for an instruction whose target is not known yet, and returns where.
fn reserve(program: &mut Vec<Instruction>) -> usize {
    program.push(Instruction::Found);
    program.len() - 1
}

#[cfg(test)]
mod tests;
