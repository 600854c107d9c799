//! Reads a template and checks every name in it.

use kairos_engine::bounds::{TEMPLATE_DEPTH_MAX, TEMPLATE_SOURCE_BYTES_MAX};

use crate::filters::FilterKind;
use crate::lexer::{Piece, PieceKind, Token, pieces, tokens};
use crate::names::{Kind, Names};
use crate::problem::{Problem, instead};
use crate::syntax::{Comparison, For, Key, Node, Operand, Over, Path, Pipeline, Place, Test};

/// The tags there are.
const TAGS: [&str; 10] = ["if", "unless", "case", "for", "assign", "break", "continue", "comment", "raw", "else"];
/// Tags that only mean something inside another.
const INNER_TAGS: [&str; 7] = ["elsif", "else", "when", "endif", "endunless", "endcase", "endfor"];

/// The nodes of a template, or everything that is wrong with it.
pub(crate) fn parse(source: &str) -> Result<Vec<Node>, Vec<Problem>> {
    if source.len() > TEMPLATE_SOURCE_BYTES_MAX {
        let problem = Problem::new(0, format!("this template has {} bytes", source.len()))
            .help(format!("keep it to {TEMPLATE_SOURCE_BYTES_MAX} bytes"));
        return Err(vec![problem]);
    }
    let pieces = pieces(source).map_err(|problem| vec![problem])?;
    let mut parser =
        Parser { pieces: pieces.into_iter(), names: Names::new(), depth: 0, loops: 0, problems: Vec::new() };
    match parser.nodes(&[], None) {
        Ok((nodes, _)) if parser.problems.is_empty() => Ok(nodes),
        Ok(_) => Err(parser.problems),
        Err(problem) => {
            parser.problems.push(problem);
            Err(parser.problems)
        }
    }
}

struct Parser<'s> {
    pieces: std::vec::IntoIter<Piece<'s>>,
    names: Names,
    depth: usize,
    loops: usize,
    /// What is wrong but does not keep the rest from being read.
    problems: Vec<Problem>,
}

/// The tag that ended a block.
struct End<'s> {
    name: &'s str,
    words: Words<'s>,
}

impl<'s> Parser<'s> {
    /// Reads up to one of the tags in `ends`, which close the tag `opened`; to the end without it.
    fn nodes(&mut self, ends: &[&str], opened: Option<(&str, usize)>) -> Result<(Vec<Node>, Option<End<'s>>), Problem> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece.kind {
                PieceKind::Text => nodes.push(Node::Text { text: piece.text.into(), at: piece.at }),
                PieceKind::Output => {
                    let mut words = Words::of(&piece)?;
                    let at = words.here();
                    let (value, kind) = self.pipeline(&mut words)?;
                    words.end()?;
                    if !kind.is_shown() {
                        self.problems.push(
                            Problem::new(at, format!("`{}` is not a text that can be shown", piece.text.trim())).help(
                                if kind == Kind::Items {
                                    "show each of them: `{% for item in cart.items %}{{ item.name }}{% endfor %}`"
                                        .into()
                                } else {
                                    let parts: Vec<_> = kind.fields().iter().map(|(name, _)| *name).collect();
                                    format!("name a part of it: {}", parts.join(", "))
                                },
                            ),
                        );
                    }
                    nodes.push(Node::Output { value, place: Place::Plain, at });
                }
                PieceKind::Tag => {
                    let mut words = Words::of(&piece)?;
                    let at = words.here();
                    let name = words.word("a tag starts with its name, as in `{% if user.first_name %}`")?;
                    if ends.contains(&name) {
                        return Ok((nodes, Some(End { name, words })));
                    }
                    self.tag(name, words, at, &mut nodes)?;
                }
            }
        }
        match opened {
            Some((name, at)) => Err(Problem::new(at, format!("`{{% {name} %}}` is never closed"))
                .help(format!("write `{{% end{name} %}}` where it ends"))),
            None => Ok((nodes, None)),
        }
    }

    fn tag(&mut self, name: &str, mut words: Words<'s>, at: usize, nodes: &mut Vec<Node>) -> Result<(), Problem> {
        if matches!(name, "if" | "unless" | "case" | "for") && self.depth >= TEMPLATE_DEPTH_MAX {
            return Err(Problem::new(at, format!("blocks are nested deeper than {TEMPLATE_DEPTH_MAX}"))
                .help("say it more simply, for example with `elsif` or `case`"));
        }
        self.depth += 1;
        match name {
            "if" => nodes.push(self.if_block(words, at)?),
            "unless" => nodes.push(self.unless_block(words, at)?),
            "case" => nodes.push(self.case_block(words, at)?),
            "for" => nodes.push(self.for_block(words, at)?),
            "assign" => nodes.push(self.assign(words, at)?),
            "break" | "continue" => {
                words.end()?;
                if self.loops == 0 {
                    return Err(Problem::new(at, format!("`{name}` stands outside of a loop")).help("remove it"));
                }
                nodes.push(if name == "break" { Node::Break } else { Node::Continue });
            }
            _ if INNER_TAGS.contains(&name) => {
                return Err(Problem::new(at, format!("`{{% {name} %}}` belongs to nothing that is open here"))
                    .help("remove it, or open its block before"));
            }
            "capture" => self.problems.push(
                Problem::new(at, "there is no tag `capture`").help("build texts with `assign` and the filter `append`"),
            ),
            "include" | "render" | "layout" => self
                .problems
                .push(Problem::new(at, format!("there is no tag `{name}`")).help("a message stands in one template")),
            "tablerow" => self.problems.push(
                Problem::new(at, "there is no tag `tablerow`").help("write `for` around your own `<tr>` and `<td>`"),
            ),
            _ => self.problems.push(Problem::new(at, format!("there is no tag `{name}`")).help(instead(name, &TAGS))),
        }
        self.depth -= 1;
        Ok(())
    }

    fn if_block(&mut self, mut words: Words<'s>, at: usize) -> Result<Node, Problem> {
        let mut branches = Vec::new();
        loop {
            let test = self.test(&mut words)?;
            let (body, end) = self.nodes(&["elsif", "else", "endif"], Some(("if", at)))?;
            branches.push((test, body));
            match end {
                Some(End { name: "elsif", words: next }) => words = next,
                Some(End { name, words }) => {
                    let otherwise = self.otherwise(name, words, "if", at)?;
                    return Ok(Node::If { branches, otherwise, at });
                }
                None => return Err(Problem::new(at, "`{% if %}` is never closed")),
            }
        }
    }

    fn unless_block(&mut self, mut words: Words<'s>, at: usize) -> Result<Node, Problem> {
        let test = Test::Not(Box::new(self.test(&mut words)?));
        let (body, end) = self.nodes(&["else", "endunless"], Some(("unless", at)))?;
        let otherwise = match end {
            Some(End { name, words }) => self.otherwise(name, words, "unless", at)?,
            None => Vec::new(),
        };
        Ok(Node::If { branches: vec![(test, body)], otherwise, at })
    }

    fn case_block(&mut self, mut words: Words<'s>, at: usize) -> Result<Node, Problem> {
        let subject = self.operand(&mut words)?.0;
        words.end()?;
        let ends = ["when", "else", "endcase"];
        let (before, mut end) = self.nodes(&ends, Some(("case", at)))?;
        if before.iter().any(|node| !matches!(node, Node::Text { text, .. } if text.trim().is_empty())) {
            return Err(Problem::new(at, "something stands between `case` and its first `when`")
                .help("move it behind a `{% when … %}`"));
        }
        let mut branches = Vec::new();
        while let Some(End { name: "when", mut words }) = end {
            let mut any = Vec::new();
            loop {
                any.push(Test::Compare(subject.clone(), Comparison::Equal, self.operand(&mut words)?.0));
                if !(words.take_symbol(",") || words.take_word("or")) {
                    break;
                }
            }
            words.end()?;
            let (body, next) = self.nodes(&ends, Some(("case", at)))?;
            branches.push((Test::Any(any), body));
            end = next;
        }
        let otherwise = match end {
            Some(End { name, words }) => self.otherwise(name, words, "case", at)?,
            None => Vec::new(),
        };
        Ok(Node::If { branches, otherwise, at })
    }

    fn for_block(&mut self, mut words: Words<'s>, at: usize) -> Result<Node, Problem> {
        const SHAPE: &str = "write `{% for item in cart.items %}`";
        let name = words.word(SHAPE)?;
        if name == "forloop" || self.names.is_known(name) {
            return Err(Problem::new(at, format!("`{name}` is already the name of something else"))
                .help("choose another name for the loop"));
        }
        if !words.take_word("in") {
            return Err(Problem::new(words.here(), "`in` is missing").help(SHAPE));
        }
        let (over, kind) = if words.take_symbol("(") {
            let from = self.operand(&mut words)?.0;
            words.symbol("..", "write a range as in `(1..3)`")?;
            let to = self.operand(&mut words)?.0;
            words.symbol(")", "write a range as in `(1..3)`")?;
            (Over::Range(from, to), Kind::Number)
        } else {
            let here = words.here();
            let (Operand::Path(path), kind) = self.operand(&mut words)? else {
                return Err(Problem::new(here, "a loop runs over a list or a range").help(SHAPE));
            };
            if !matches!(kind, Kind::Items | Kind::Any) {
                self.problems.push(Problem::new(here, "this is not a list").help(SHAPE));
            }
            (Over::List(path), Kind::Item)
        };
        let (mut limit, mut offset, mut reversed) = (None, None, false);
        while let Some(word) = words.next_word() {
            match word {
                "reversed" => reversed = true,
                "limit" | "offset" => {
                    words.symbol(":", "write `limit: 3` or `offset: 1`")?;
                    let value = Some(self.operand(&mut words)?.0);
                    if word == "limit" { limit = value } else { offset = value }
                }
                _ => {
                    return Err(Problem::new(at, format!("a loop has no `{word}`"))
                        .help(instead(word, &["limit", "offset", "reversed"])));
                }
            }
        }
        words.end()?;
        let mark = self.names.mark();
        self.names.push(name, kind);
        self.names.push("forloop", Kind::Loop);
        self.loops += 1;
        let (body, end) = self.nodes(&["else", "endfor"], Some(("for", at)))?;
        self.loops -= 1;
        self.names.forget(mark, 2);
        let otherwise = match end {
            Some(End { name, words }) => self.otherwise(name, words, "for", at)?,
            None => Vec::new(),
        };
        let name = name.to_owned();
        Ok(Node::For(Box::new(For { name, over, limit, offset, reversed, body, otherwise, at })))
    }

    /// The part behind `else`, when the tag that ended the block is that.
    fn otherwise(&mut self, end: &str, mut words: Words<'s>, block: &str, at: usize) -> Result<Vec<Node>, Problem> {
        words.end()?;
        if end != "else" {
            return Ok(Vec::new());
        }
        let (nodes, last) = self.nodes(&[&format!("end{block}")], Some((block, at)))?;
        if let Some(mut last) = last {
            last.words.end()?;
        }
        Ok(nodes)
    }

    fn assign(&mut self, mut words: Words<'s>, at: usize) -> Result<Node, Problem> {
        const SHAPE: &str = "write `{% assign name = user.first_name | default: \"friend\" %}`";
        let name = words.word(SHAPE)?;
        words.symbol("=", SHAPE)?;
        let (value, kind) = self.pipeline(&mut words)?;
        words.end()?;
        if matches!(name, "user" | "cart" | "forloop") {
            return Err(Problem::new(at, format!("`{name}` cannot be changed")).help("choose another name"));
        }
        if !kind.is_shown() {
            return Err(Problem::new(at, "only texts, numbers and prices can be assigned")
                .help("name a part of it, as in `cart.items.first.name`"));
        }
        self.names.assign(name, kind);
        Ok(Node::Assign { name: name.into(), value })
    }

    fn pipeline(&mut self, words: &mut Words<'s>) -> Result<(Pipeline, Kind), Problem> {
        let here = words.here();
        let (start, mut kind) = self.operand(words)?;
        let mut filters = Vec::new();
        while words.take_symbol("|") {
            let at = words.here();
            let name = words.word("a filter follows `|`, as in `{{ item.price | money }}`")?;
            let mut arguments = Vec::new();
            if words.take_symbol(":") {
                loop {
                    arguments.push(self.operand(words)?.0);
                    if !words.take_symbol(",") {
                        break;
                    }
                }
            }
            match FilterKind::check(name, kind, arguments.len(), at) {
                Ok((filter, result)) => {
                    kind = result;
                    filters.push((filter, arguments));
                }
                Err(problem) => {
                    kind = Kind::Any;
                    self.problems.push(problem);
                }
            }
        }
        if filters.len() > 32 {
            return Err(Problem::new(here, "more than 32 filters on one value").help("use `assign` in between"));
        }
        Ok((Pipeline { start, filters }, kind))
    }

    /// `a`, `a == b`, joined by all `and` or all `or`.
    fn test(&mut self, words: &mut Words<'s>) -> Result<Test, Problem> {
        let first = self.comparison(words)?;
        let mut tests = vec![first];
        let mut joined_by = None;
        while let Some(word) = words.next_word() {
            if !matches!(word, "and" | "or") {
                return Err(Problem::new(words.before(), format!("`{word}` is not understood here"))
                    .help("compare with ==, !=, <, <=, >, >= or contains, and join with `and` or `or`"));
            }
            if joined_by.is_some_and(|joint| joint != word) {
                return Err(Problem::new(words.before(), "`and` and `or` in one condition can be read in two ways")
                    .help("nest two `if`s instead"));
            }
            joined_by = Some(word);
            tests.push(self.comparison(words)?);
        }
        words.end()?;
        Ok(if joined_by == Some("or") { Test::Any(tests) } else { Test::All(tests) })
    }

    fn comparison(&mut self, words: &mut Words<'s>) -> Result<Test, Problem> {
        let left = self.operand(words)?.0;
        let comparison = if words.take_word("contains") {
            Comparison::Contains
        } else {
            match words.next_symbol(&["==", "!=", "<>", "<=", ">=", "<", ">"]) {
                Some("==") => Comparison::Equal,
                Some("!=" | "<>") => Comparison::NotEqual,
                Some("<=") => Comparison::LessOrEqual,
                Some(">=") => Comparison::GreaterOrEqual,
                Some("<") => Comparison::Less,
                Some(_) => Comparison::Greater,
                None => return Ok(Test::Truthy(left)),
            }
        };
        Ok(Test::Compare(left, comparison, self.operand(words)?.0))
    }

    fn operand(&mut self, words: &mut Words<'s>) -> Result<(Operand, Kind), Problem> {
        let at = words.here();
        Ok(match words.take() {
            Some(Token::Text(text)) => (Operand::Text(text.into()), Kind::Text),
            Some(Token::Number(micros)) => (Operand::Number(micros), Kind::Number),
            Some(Token::Word("true")) => (Operand::Flag(true), Kind::Flag),
            Some(Token::Word("false")) => (Operand::Flag(false), Kind::Flag),
            Some(Token::Word("nil" | "null")) => (Operand::Nil, Kind::Any),
            Some(Token::Word("empty" | "blank")) => (Operand::Empty, Kind::Any),
            Some(Token::Word(root)) => {
                let path = self.path(root, at, words)?;
                let kind = self.names.resolve(&path).unwrap_or_else(|problem| {
                    self.problems.push(problem);
                    Kind::Any
                });
                (Operand::Path(path), kind)
            }
            _ => {
                return Err(Problem::new(at, "a value is missing here")
                    .help("name one, as in `user.first_name`, or write a text in quotes"));
            }
        })
    }

    fn path(&mut self, root: &str, at: usize, words: &mut Words<'s>) -> Result<Path, Problem> {
        const INDEX: &str = "write `cart.items[0].name`";
        let mut keys = Vec::new();
        loop {
            if words.take_symbol(".") {
                keys.push(Key::Name(words.word("a name follows the dot, as in `user.first_name`")?.into()));
            } else if words.take_symbol("[") {
                keys.push(match words.take() {
                    Some(Token::Number(micros)) if micros % 1_000_000 == 0 => Key::Index(micros / 1_000_000),
                    Some(Token::Text(name)) => Key::Name(name.into()),
                    _ => return Err(Problem::new(words.before(), "a whole number is expected here").help(INDEX)),
                });
                words.symbol("]", INDEX)?;
            } else {
                return Ok(Path { root: root.into(), keys, at });
            }
        }
    }
}

/// The tokens of one output or tag, read from left to right.
struct Words<'s> {
    tokens: Vec<(Token<'s>, usize)>,
    next: usize,
    end_at: usize,
}

impl<'s> Words<'s> {
    fn of(piece: &Piece<'s>) -> Result<Self, Problem> {
        Ok(Self { tokens: tokens(piece)?, next: 0, end_at: piece.at + piece.text.trim_end().len() })
    }

    fn peek(&self) -> Option<Token<'s>> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn take(&mut self) -> Option<Token<'s>> {
        let token = self.peek()?;
        self.next += 1;
        Some(token)
    }

    /// Where the next token stands.
    fn here(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end_at, |(_, at)| *at)
    }

    /// Where the token stands that was just taken.
    fn before(&self) -> usize {
        self.next.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(self.end_at, |(_, at)| *at)
    }

    fn word(&mut self, help: &str) -> Result<&'s str, Problem> {
        self.next_word().ok_or_else(|| Problem::new(self.here(), "a name is missing here").help(help))
    }

    fn next_word(&mut self) -> Option<&'s str> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.next += 1;
                Some(word)
            }
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(Token::Word(word));
        self.next += usize::from(found);
        found
    }

    fn next_symbol(&mut self, among: &[&str]) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Symbol(symbol)) if among.contains(&symbol) => {
                self.next += 1;
                Some(symbol)
            }
            _ => None,
        }
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        self.next_symbol(&[symbol]).is_some()
    }

    fn symbol(&mut self, symbol: &str, help: &str) -> Result<(), Problem> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        Err(Problem::new(self.here(), format!("`{symbol}` is missing here")).help(help))
    }

    /// Nothing more may follow.
    fn end(&mut self) -> Result<(), Problem> {
        match self.peek() {
            None => Ok(()),
            Some(Token::Symbol("=")) => {
                Err(Problem::new(self.here(), "`=` does not compare").help("write `==` to compare"))
            }
            Some(_) => Err(Problem::new(self.here(), "nothing more is expected here")
                .help("join values with filters (`|`), and write texts in quotes")),
        }
    }
}
