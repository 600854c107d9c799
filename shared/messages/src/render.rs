//! Hands a checked template to the library, and runs it over the data of one message within its limits.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::LazyLock;

use kairos_engine::bounds::{RENDERED_BYTES_MAX, TEMPLATE_ITERATIONS_MAX, TEMPLATE_WORK_BYTES_MAX};
use kairos_engine::mailbox::MessageData;
use liquid_core::model::{KString, KStringCow, KStringRef, Object, ScalarCow, State, Value, ValueCow};
use liquid_core::parser::{self, Tag};
use liquid_core::runtime::{PartialStore, Registers, RuntimeBuilder};
use liquid_core::{Error, Language, Renderable, Result, Runtime, TagReflection, Template};

use crate::currency;
use crate::data::{Found, globals};
use crate::escape::Place;
use crate::locale::Locale;
use crate::problem::Problem;
use crate::scan::Piece;
use crate::tags::{Shown, language};

static LANGUAGE: LazyLock<Language> = LazyLock::new(language);

/// The limit at which a rendering was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Size,
    Iterations,
    Work,
    /// Something the library cannot do, and the check did not see.
    Other,
}

/// What a rendering may still do. The library keeps one for each, in its registers.
#[derive(Debug)]
pub(crate) struct Rendering {
    pub(crate) texts: Vec<String>,
    /// For whom it is.
    pub(crate) locale: Locale,
    /// What every template sees.
    pub(crate) globals: Rc<Object>,
    iterations_left: usize,
    work_bytes_left: usize,
    /// The limit that was met.
    pub(crate) fault: Option<Fault>,
}

impl Default for Rendering {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            locale: Locale::default(),
            globals: Rc::default(),
            iterations_left: TEMPLATE_ITERATIONS_MAX,
            work_bytes_left: TEMPLATE_WORK_BYTES_MAX,
            fault: None,
        }
    }
}

impl Rendering {
    /// Notes the limit that was met; gives the error that unwinds the library.
    pub(crate) fn stop(&mut self, fault: Fault) -> Error {
        self.fault.get_or_insert(fault);
        Error::with_msg("a limit was met")
    }

    /// Pays for one round of a loop.
    pub(crate) fn iterate(&mut self) -> Result<()> {
        self.iterations_left = self.iterations_left.checked_sub(1).ok_or_else(|| self.stop(Fault::Iterations))?;
        Ok(())
    }

    /// Pays for a text of this length.
    pub(crate) fn pay(&mut self, bytes: usize) -> Result<()> {
        match self.work_bytes_left.checked_sub(bytes) {
            Some(left) if self.fault.is_none() => {
                self.work_bytes_left = left;
                Ok(())
            }
            _ => Err(self.stop(Fault::Work)),
        }
    }
}

/// A template, ready to run.
pub(crate) struct Prepared {
    template: Template,
    texts: Vec<String>,
}

/// Hands a template that was checked to the library.
pub(crate) fn prepare(pieces: &[Piece<'_>], places: &[Place]) -> core::result::Result<Prepared, Problem> {
    let mut places = places.iter();
    let mut texts = Vec::new();
    let mut source = String::new();
    // Where each piece begins in what the library reads.
    let mut starts = Vec::new();
    let mut columns = 0;
    for piece in pieces {
        let tag = match piece {
            Piece::Text { text, .. } => {
                texts.push((*text).to_owned());
                format!("{{% text {} %}}", texts.len() - 1)
            }
            Piece::Output { inner, .. } => {
                let place = places.next().copied().unwrap_or(Place::Text);
                format!("{{% {} {} %}}", Shown::Value(place).tag(), currency::told(inner))
            }
            Piece::Tag { name: "assign", arguments, .. } => format!("{{% assign {} %}}", currency::told(arguments)),
            Piece::Tag { name, arguments, .. } => format!("{{% {name} {arguments} %}}"),
        };
        // One line, so that the library's columns are places.
        let tag = tag.replace(['\n', '\r', '\t'], " ");
        // Each for itself first: among others, the library panics on some that it cannot read.
        match Tag::new(&tag) {
            Ok(read) if read.as_str().len() == tag.len() => {}
            _ => return Err(misspelt(piece)),
        }
        starts.push((columns, piece));
        columns += tag.chars().count();
        source.push_str(&tag);
    }
    let elements = parser::parse(&source, &LANGUAGE).map_err(|error| {
        let error = error.to_string();
        let column = error.split_once("--> 1:").and_then(|(_, rest)| {
            rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<usize>().ok()
        });
        let column = column.unwrap_or(1) - 1;
        let piece = starts.iter().rev().find(|(start, _)| *start <= column).map_or(&pieces[0], |(_, piece)| *piece);
        misspelt(piece)
    })?;
    Ok(Prepared { template: Template::new(elements), texts })
}

/// The words of a tag are in a wrong order.
fn misspelt(piece: &Piece<'_>) -> Problem {
    let (at, usage) = match piece {
        Piece::Text { at, .. } | Piece::Output { at, .. } => (*at, "{{ value | filter: argument, argument }}"),
        Piece::Tag { at, name, .. } => (
            *at,
            match *name {
                "if" | "elsif" | "unless" => "{% if value == value and value %}",
                "case" => "{% case value %}",
                "when" => "{% when value, value %}",
                "for" => "{% for item in cart.items limit: 3 %}",
                "assign" => "{% assign name = value | filter: argument %}",
                _ => "this tag without anything behind its name",
            },
        ),
    };
    let usage = if usage.starts_with('{') { format!("write it like `{usage}`") } else { format!("write {usage}") };
    Problem::new(at, "this is not how it is written").help(usage)
}

/// Renders a template over data.
pub(crate) fn render(prepared: &Prepared, data: &MessageData, found: &Found) -> core::result::Result<String, Fault> {
    let globals = Rc::new(globals(data, found));
    let runtime = Lenient(RuntimeBuilder::new().set_globals(&*globals).build());
    {
        let mut rendering = runtime.registers().get_mut::<Rendering>();
        rendering.texts.clone_from(&prepared.texts);
        rendering.locale = found.locale.clone();
        rendering.globals = Rc::clone(&globals);
    }
    let mut output = Output { text: Vec::new(), is_full: false };
    let result = prepared.template.render_to(&mut output, &runtime);
    let fault = runtime.registers().get_mut::<Rendering>().fault;
    if output.is_full {
        return Err(Fault::Size);
    }
    match (fault, result) {
        (Some(fault), _) => Err(fault),
        (None, Err(_)) => Err(Fault::Other),
        (None, Ok(())) => String::from_utf8(output.text).map_err(|_| Fault::Other),
    }
}

/// Text that stops growing at its limit, while it is written and not afterwards.
struct Output {
    text: Vec<u8>,
    is_full: bool,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full || self.text.len() + bytes.len() > RENDERED_BYTES_MAX {
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A runtime in which what is not known of a user is an empty text (the library would stop at it, for
/// example before `contains`), and in which every value that is read is paid for, again in each loop around.
pub(crate) struct Lenient<R>(pub(crate) R);

impl<R: Runtime> Runtime for Lenient<R> {
    fn partials(&self) -> &dyn PartialStore {
        self.0.partials()
    }

    fn name(&self) -> Option<KStringRef<'_>> {
        self.0.name()
    }

    fn roots(&self) -> BTreeSet<KStringCow<'_>> {
        self.0.roots()
    }

    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        // What a bare condition asks for: as nothing is an empty text, an empty text is nothing.
        self.get(path).ok().filter(|value| !value.as_view().query_state(State::Blank))
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> Result<ValueCow<'_>> {
        let value = self.0.try_get(path).filter(|value| !value.as_view().is_nil());
        let value = value.unwrap_or_else(|| Value::scalar("").into());
        // One more, so that reading nothing costs something.
        self.registers().get_mut::<Rendering>().pay(value.as_view().to_kstr().len() + 1)?;
        Ok(value)
    }

    fn set_global(&self, name: KString, value: Value) -> Option<Value> {
        self.0.set_global(name, value)
    }

    fn set_index(&self, name: KString, value: Value) -> Option<Value> {
        self.0.set_index(name, value)
    }

    fn get_index<'a>(&'a self, name: &str) -> Option<ValueCow<'a>> {
        self.0.get_index(name)
    }

    fn registers(&self) -> &Registers {
        self.0.registers()
    }
}
