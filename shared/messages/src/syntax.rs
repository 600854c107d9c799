//! A parsed template.

use crate::filters::FilterKind;

/// Something a template does.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text {
        text: String,
        at: usize,
    },
    Output {
        value: Pipeline,
        place: Place,
        at: usize,
    },
    Assign {
        name: String,
        value: Pipeline,
    },
    /// The first branch whose test holds.
    If {
        branches: Vec<(Test, Vec<Node>)>,
        otherwise: Vec<Node>,
        at: usize,
    },
    For(Box<For>),
    Break,
    Continue,
}

/// Where a value is written: decides how it is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A text without markup.
    Plain,
    /// HTML text, or a quoted attribute.
    Html,
    /// The start of an HTML attribute that holds a link: only web links may stand here.
    HtmlLink,
}

#[derive(Clone, Debug)]
pub(crate) struct For {
    pub(crate) name: String,
    pub(crate) over: Over,
    pub(crate) limit: Option<Operand>,
    pub(crate) offset: Option<Operand>,
    pub(crate) reversed: bool,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
    pub(crate) at: usize,
}

/// What a loop runs over.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    List(Path),
    /// From one number to another, both included; never spelled out in memory.
    Range(Operand, Operand),
}

/// A value and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) start: Operand,
    pub(crate) filters: Vec<(FilterKind, Vec<Operand>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Nil,
    /// `empty` or `blank` in a comparison.
    Empty,
    Flag(bool),
    /// In millionths.
    Number(i64),
    Text(String),
    Path(Path),
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: String,
    pub(crate) keys: Vec<Key>,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Key {
    Name(String),
    /// Counted from the end when negative.
    Index(i64),
}

/// What `if`, `unless` and `when` ask.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Truthy(Operand),
    Compare(Operand, Comparison, Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}
