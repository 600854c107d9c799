//! Notifications in browsers and of apps: what they are made of.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// A notification: Liquid templates in a playbook, and what became of them in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushMessage {
    /// Its first line.
    pub title: String,
    /// The text below it, without markup.
    pub body: String,
    /// The link of a large picture; without one, when it comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The link of a small picture beside the text; the browser's own without one. Apps have theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// What a click opens; the shop's front page, or the app, when it comes out as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How much it may disturb a device that saves its battery.
    #[serde(default, skip_serializing_if = "Urgency::is_usual")]
    pub urgency: Urgency,
    /// How long the push service keeps it for a device that is off: never longer than its moment is valid, and so long
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span>,
    /// What is waiting or shown of the same topic is replaced; the play's own without it. No template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

impl PushMessage {
    /// Its Liquid templates, in the order of its fields.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        let links = [&self.image, &self.icon, &self.url];
        [&*self.title, &*self.body].into_iter().chain(links.into_iter().filter_map(Option::as_deref))
    }
}

/// How urgent a notification is (RFC 8030, section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either.
    Low,
    /// On neither.
    #[default]
    Normal,
    /// With a low battery.
    High,
}

impl Urgency {
    /// Every urgency, with its name in files and in the header.
    pub const ALL: [(&str, Self); 4] =
        [("very-low", Self::VeryLow), ("low", Self::Low), ("normal", Self::Normal), ("high", Self::High)];

    /// Its name in files and in the header.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::Normal
    }
}
