//! From the text of a regular expression to its tree.

use std::iter::Peekable;
use std::str::Chars;

use super::PatternError;

/// A part of a regular expression.
#[derive(Debug)]
pub(super) enum Node {
    One(Set),
    Sequence(Vec<Self>),
    Either(Box<Self>, Box<Self>),
    FirstGroup(Box<Self>),
    Repeat { node: Box<Self>, least: usize, most: Option<usize>, lazy: bool },
}

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    pub(super) fn contains(&self, c: char) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != self.negated
    }

    fn any() -> Self {
        Self { negated: true, ranges: vec![] }
    }

    fn of(ranges: &[(char, char)]) -> Self {
        Self { negated: false, ranges: ranges.to_vec() }
    }
}

/// Parses a whole expression.
pub(super) fn parse(text: &str) -> Result<Node, PatternError> {
    let mut parser = Parser { rest: text.chars().peekable(), groups: 0 };
    let node = parser.alternatives()?;
    match parser.rest.next() {
        None => Ok(node),
        Some(c) => Err(PatternError::Unsupported(c)),
    }
}

struct Parser<'t> {
    rest: Peekable<Chars<'t>>,
    groups: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<char, PatternError> {
        self.rest.next().ok_or(PatternError::Unfinished)
    }

    fn takes(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    fn alternatives(&mut self) -> Result<Node, PatternError> {
        let first = self.sequence()?;
        if !self.takes('|') {
            return Ok(first);
        }
        Ok(Node::Either(Box::new(first), Box::new(self.alternatives()?)))
    }

    fn sequence(&mut self) -> Result<Node, PatternError> {
        let mut nodes = vec![];
        while let Some(c) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            let node = self.atom(c)?;
            nodes.push(self.repeated(node)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self, c: char) -> Result<Node, PatternError> {
        match c {
            '(' => self.group(),
            '[' => self.class().map(Node::One),
            '.' => Ok(Node::One(Set::any())),
            '\\' => self.escape().map(Node::One),
            '^' | '$' | '*' | '+' | '?' | '{' => Err(PatternError::Unsupported(c)),
            c => Ok(Node::One(Set::of(&[(c, c)]))),
        }
    }

    fn group(&mut self) -> Result<Node, PatternError> {
        let plain = self.takes('?');
        if plain && !self.takes(':') {
            return Err(PatternError::Unsupported('?'));
        }
        self.groups += usize::from(!plain);
        let first = !plain && self.groups == 1;
        let node = self.alternatives()?;
        if self.next()? != ')' {
            return Err(PatternError::Unfinished);
        }
        Ok(if first { Node::FirstGroup(Box::new(node)) } else { node })
    }

    fn class(&mut self) -> Result<Set, PatternError> {
        let negated = self.takes('^');
        let mut ranges = vec![];
        loop {
            match self.next()? {
                ']' if !ranges.is_empty() => return Ok(Set { negated, ranges }),
                '\\' => ranges.extend(self.escape()?.ranges),
                first if self.takes('-') => match self.next()? {
                    ']' => {
                        ranges.extend([(first, first), ('-', '-')]);
                        return Ok(Set { negated, ranges });
                    }
                    last => ranges.push((first, last)),
                },
                c => ranges.push((c, c)),
            }
        }
    }

    fn escape(&mut self) -> Result<Set, PatternError> {
        Ok(match self.next()? {
            'd' => Set::of(&[('0', '9')]),
            'w' => Set::of(&[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]),
            's' => Set::of(&[(' ', ' '), ('\t', '\r')]),
            'n' => Set::of(&[('\n', '\n')]),
            'r' => Set::of(&[('\r', '\r')]),
            't' => Set::of(&[('\t', '\t')]),
            c if c.is_ascii_alphanumeric() => return Err(PatternError::Unsupported(c)),
            c => Set::of(&[(c, c)]),
        })
    }

    fn repeated(&mut self, node: Node) -> Result<Node, PatternError> {
        let (least, most) = match self.rest.next_if(|c| matches!(c, '*' | '+' | '?' | '{')) {
            None => return Ok(node),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some(_) => self.counts()?,
        };
        Ok(Node::Repeat { node: Box::new(node), least, most, lazy: self.takes('?') })
    }

    /// Reads `2}`, `2,}` or `2,5}`.
    fn counts(&mut self) -> Result<(usize, Option<usize>), PatternError> {
        let least = self.number()?.ok_or(PatternError::Unsupported('{'))?;
        match self.next()? {
            '}' => Ok((least, Some(least))),
            ',' => {
                let most = self.number()?;
                match self.next()? {
                    '}' => Ok((least, most)),
                    c => Err(PatternError::Unsupported(c)),
                }
            }
            c => Err(PatternError::Unsupported(c)),
        }
    }

    /// Reads a number of at most three digits, which bounds the size of a program.
    fn number(&mut self) -> Result<Option<usize>, PatternError> {
        let mut value = None;
        while let Some(c) = self.rest.next_if(char::is_ascii_digit) {
            let digit = c as usize - '0' as usize;
            value = Some(value.unwrap_or(0) * 10 + digit);
            if value > Some(999) {
                return Err(PatternError::Unsupported(c));
            }
        }
        Ok(value)
    }
}
