//! Messages on the shop's own pages and in its app: what they are made of, and which events may lead to one.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::{Channel, EventMatch, EventPattern, LinkButton, Play, Playbook, Step, Trigger};
use crate::event::EventKind;

/// A message on a page: Liquid templates in a playbook, and what became of them in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnSiteMessage {
    /// How it stands on the page.
    pub kind: OnSiteKind,
    /// Its heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text, without markup.
    pub text: String,
    /// The link of a picture; without one, when it comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// A button that opens a link; left out when its link comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<LinkButton>,
    /// Where a banner stands.
    #[serde(default, skip_serializing_if = "OnSitePosition::is_usual")]
    pub position: OnSitePosition,
    /// The name of the place on the page that an embedded message stands in; no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Whether it can be closed without following its button.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub dismissible: bool,
    /// What the button that closes it is called, for those who hear the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<String>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_yes(flag: &bool) -> bool {
    *flag
}

impl OnSiteMessage {
    /// Its Liquid templates, in the order of its fields.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        let button = self.button.iter().flat_map(|button| [&*button.text, &*button.link]);
        let title = self.title.as_deref().into_iter();
        title.chain([&*self.text]).chain(self.picture.as_deref()).chain(button).chain(self.close.as_deref())
    }
}

/// How a message stands on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSiteKind {
    /// At an edge of the window; the page goes on behind it.
    #[default]
    Banner,
    /// In the middle of the window; the page waits until it is closed.
    Modal,
    /// In a place of the page that the shop has left for it.
    Embedded,
}

impl OnSiteKind {
    /// Every kind, with its name in files.
    pub const ALL: [(&str, Self); 3] = [("banner", Self::Banner), ("modal", Self::Modal), ("embedded", Self::Embedded)];

    /// Its name in files and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Modal => "modal",
            Self::Embedded => "embedded",
        }
    }
}

/// At which edge of the window a banner stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSitePosition {
    /// At the lower one, where thumbs are.
    #[default]
    Bottom,
    /// At the upper one.
    Top,
}

impl OnSitePosition {
    /// Every position, with its name in files.
    pub const ALL: [(&str, Self); 2] = [("bottom", Self::Bottom), ("top", Self::Top)];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::Bottom
    }
}

impl Playbook {
    /// Whether an event may at once lead to a message on the page it comes from. Asked where events are taken, of which
    /// nothing but the event is known: a page that is told so asks whether there is a message.
    pub fn may_lead_on_site(&self, event: &EventKind) -> bool {
        self.channels.on_site.is_some() && self.plays.iter().any(|play| sends(&play.steps) && may_start(play, event))
    }
}

fn may_start(play: &Play, event: &EventKind) -> bool {
    match &play.trigger {
        Trigger::Event(of) => is_one_of(of, event),
        Trigger::Sequence { steps, .. } => steps.last().is_some_and(|last| is_one_of(last, event)),
        // What it takes for these can be any event.
        Trigger::Segment { .. } | Trigger::Becomes(_) | Trigger::Place { .. } => true,
        // These wait for time, or for news of the shop's.
        Trigger::Absence { .. } | Trigger::Schedule(_) | Trigger::Catalogue { .. } | Trigger::RunOut { .. } => false,
    }
}

fn is_one_of(of: &[EventMatch], event: &EventKind) -> bool {
    of.iter().any(|one| match (&one.event, event) {
        (EventPattern::Track(name), EventKind::Track { event, .. }) => name == event,
        (EventPattern::Any, _)
        | (EventPattern::Identify, EventKind::Identify { .. })
        | (EventPattern::Page, EventKind::Page { .. })
        | (EventPattern::Screen, EventKind::Screen { .. })
        | (EventPattern::Group, EventKind::Group { .. }) => true,
        _ => false,
    })
}

fn sends(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Send { channels, .. } => channels.contains(&Channel::OnSite),
        Step::Branch { then, otherwise, .. } => sends(then) || sends(otherwise),
        Step::Split { variants, .. } => variants.iter().any(|variant| sends(&variant.steps)),
        // Whoever waits is woken by the clock.
        Step::WaitUntil { otherwise, .. } => sends(otherwise),
        Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => false,
    })
}
