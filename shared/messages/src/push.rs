//! Notifications in browsers and of apps: plain texts and web links. The device shows them as text, so values stay as they are.
//!
//! A picture or a page whose link comes out as none is left out. Everything together fits into what push services take
//! ([`WEB_PUSH_PAYLOAD_BYTES_MAX`](kairos_engine::bounds::WEB_PUSH_PAYLOAD_BYTES_MAX)).

use kairos_engine::bounds::{WEB_PUSH_BODY_CHARS_MAX, WEB_PUSH_LINK_BYTES_MAX, WEB_PUSH_TITLE_CHARS_MAX};
use kairos_engine::playbook::PushMessage;

use crate::chat::{Part, link_within, within};
use crate::links::{Links, counted, plain};
use crate::{RenderError, TemplateKind, not_empty};

const TITLE: &str = "title of the notification";
const BODY: &str = "body of the notification";

pub(crate) fn push(message: &PushMessage, part: Part<'_>, links: &dyn Links) -> Result<PushMessage, RenderError> {
    let title = not_empty(part(&message.title, TemplateKind::Line, TITLE)?, TITLE)?;
    within(title.chars().count(), WEB_PUSH_TITLE_CHARS_MAX, TITLE)?;
    let body = not_empty(part(&message.body, TemplateKind::Text, BODY)?, BODY)?;
    within(body.chars().count(), WEB_PUSH_BODY_CHARS_MAX, BODY)?;
    let link = |template: &Option<String>, lead: &dyn Fn(&str) -> String| -> Result<Option<String>, RenderError> {
        let link = template.as_deref().map(|template| part(template, TemplateKind::Link, "link")).transpose()?;
        Ok(link.and_then(|link| link_within(lead(&link), WEB_PUSH_LINK_BYTES_MAX)))
    };
    let picture = |link: &str| plain(link, links);
    Ok(PushMessage {
        title,
        body,
        image: link(&message.image, &picture)?,
        icon: link(&message.icon, &picture)?,
        url: link(&message.url, &|link| counted(link, links))?,
        ..message.clone()
    })
}
