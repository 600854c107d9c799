//! The templates that this thread has prepared lately. Taking one apart and checking it costs several times what filling it
//! in does, each message is filled in twice for its links, and those of a play are all alike.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kairos_engine::bounds::{PREPARED_TEMPLATES_BYTES_MAX, PREPARED_TEMPLATES_MAX};

use crate::problem::TemplateProblem;
use crate::render::Prepared;
use crate::{Setting, TemplateKind, prepare};

thread_local! {
    static KEPT: RefCell<Shelf> = const { RefCell::new(Shelf { templates: VecDeque::new(), bytes: 0 }) };
}

/// The one used last stands at the end.
struct Shelf {
    templates: VecDeque<Kept>,
    /// Of their sources.
    bytes: usize,
}

/// All that a prepared template depends on, so that it is known by what it is made of and nothing has to be forgotten.
struct Kept {
    source: String,
    kind: TemplateKind,
    language: String,
    prepared: Rc<Prepared>,
}

/// The template, ready to run, in this language and without content blocks.
pub(crate) fn prepared(source: &str, kind: TemplateKind, language: &str) -> Result<Rc<Prepared>, Vec<TemplateProblem>> {
    if let Some(known) = KEPT.with_borrow_mut(|shelf| shelf.find(source, kind, language)) {
        return Ok(known);
    }
    let setting = Setting { language: language.to_owned(), ..Setting::default() };
    let prepared = Rc::new(prepare(source, kind, &setting)?);
    let kept = Kept { source: source.to_owned(), kind, language: setting.language, prepared: Rc::clone(&prepared) };
    KEPT.with_borrow_mut(|shelf| shelf.keep(kept));
    Ok(prepared)
}

impl Shelf {
    fn find(&mut self, source: &str, kind: TemplateKind, language: &str) -> Option<Rc<Prepared>> {
        let is_it = |kept: &Kept| kept.kind == kind && kept.language == language && kept.source == source;
        let found = self.templates.remove(self.templates.iter().rposition(is_it)?)?;
        let prepared = Rc::clone(&found.prepared);
        self.templates.push_back(found);
        Some(prepared)
    }

    fn keep(&mut self, kept: Kept) {
        self.bytes += kept.source.len();
        self.templates.push_back(kept);
        while self.templates.len() > PREPARED_TEMPLATES_MAX || self.bytes > PREPARED_TEMPLATES_BYTES_MAX {
            let Some(oldest) = self.templates.pop_front() else { break };
            self.bytes -= oldest.source.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(source: &str) -> Kept {
        let prepared = Rc::new(prepare("", TemplateKind::Text, &Setting::default()).unwrap());
        Kept { source: source.to_owned(), kind: TemplateKind::Text, language: "en".into(), prepared }
    }

    #[test]
    fn a_template_is_prepared_once_for_each_kind_and_language() {
        let of = |source: &str, kind, language: &str| prepared(source, kind, language).unwrap();
        let first = of("Hello {{ user.first_name }}", TemplateKind::Text, "en");
        assert!(Rc::ptr_eq(&first, &of("Hello {{ user.first_name }}", TemplateKind::Text, "en")));
        for (source, kind, language) in [
            ("Hello {{ user.last_name }}", TemplateKind::Text, "en"),
            ("Hello {{ user.first_name }}", TemplateKind::Html, "en"),
            ("Hello {{ user.first_name }}", TemplateKind::Text, "de"),
        ] {
            assert!(!Rc::ptr_eq(&first, &of(source, kind, language)), "{source} {kind:?} {language}");
        }
        assert!(prepared("{{ nobody.knows }}", TemplateKind::Text, "en").is_err());
        assert!(prepared("{{ nobody.knows }}", TemplateKind::Text, "en").is_err(), "what is wrong stays wrong");
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut shelf = Shelf { templates: VecDeque::new(), bytes: 0 };
        for number in 0..PREPARED_TEMPLATES_MAX {
            shelf.keep(kept(&format!("{number:04}")));
        }
        assert!(shelf.find("0000", TemplateKind::Text, "en").is_some());
        shelf.keep(kept("more"));
        assert!(shelf.find("0000", TemplateKind::Text, "en").is_some());
        assert!(shelf.find("0001", TemplateKind::Text, "en").is_none());
        assert_eq!((shelf.templates.len(), shelf.bytes), (PREPARED_TEMPLATES_MAX, 4 * PREPARED_TEMPLATES_MAX));
        for letter in ["a", "b", "c"] {
            shelf.keep(kept(&letter.repeat(PREPARED_TEMPLATES_BYTES_MAX / 2)));
        }
        assert_eq!(shelf.templates.len(), 2);
        assert!(shelf.bytes <= PREPARED_TEMPLATES_BYTES_MAX);
    }
}
