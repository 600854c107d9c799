//! Messages on the shop's own pages and in its app: plain texts and web links, nothing else. Whoever shows them writes
//! them as text, never as markup, so values stay as they are.
//!
//! A picture or a button whose link comes out as none is left out; a heading that comes out empty, too.

use kairos_engine::bounds::{BUTTON_CHARS_MAX, ON_SITE_TEXT_CHARS_MAX, ON_SITE_TITLE_CHARS_MAX};
use kairos_engine::playbook::OnSiteMessage;

use crate::chat::{Part, button, picture, within};
use crate::links::{Links, plain};
use crate::{RenderError, RenderedMessage, TemplateKind, not_empty};

pub(crate) fn on_site(
    message: &OnSiteMessage,
    part: Part<'_>,
    links: &dyn Links,
) -> Result<RenderedMessage, RenderError> {
    let line = |template: Option<&str>, name, max| -> Result<Option<String>, RenderError> {
        let line = template.map(|template| part(template, TemplateKind::Line, name)).transpose()?;
        let line = line.filter(|line| !line.is_empty());
        within(line.as_ref().map_or(0, |line| line.chars().count()), max, name)?;
        Ok(line)
    };
    let text = not_empty(part(&message.text, TemplateKind::Text, "text on the page")?, "text on the page")?;
    within(text.chars().count(), ON_SITE_TEXT_CHARS_MAX, "text on the page")?;
    Ok(RenderedMessage::OnSite(OnSiteMessage {
        title: line(message.title.as_deref(), "title on the page", ON_SITE_TITLE_CHARS_MAX)?,
        text,
        picture: picture(message.picture.as_deref(), part, links)?,
        // The inbox counts its clicks: a short link would count them twice.
        button: button(message.button.as_ref(), part, |link| plain(link, links))?,
        close: line(message.close.as_deref(), "name of the button that closes", BUTTON_CHARS_MAX)?,
        ..message.clone()
    }))
}
