//! Pages: what is added to their addresses, and how they are written into a header.

use std::fmt::Write as _;

/// A page with these parameters behind those that it has; one that it has already stays as it is. The result holds
/// visible characters of ASCII alone, so that it can stand in a header: whatever else is in it is written as
/// `%XX`, as browsers do (URL standard, percent-encoding).
pub fn with_parameters(page: &str, parameters: &[(String, String)]) -> String {
    let (rest, fragment) = page.split_once('#').map_or((page, None), |(rest, fragment)| (rest, Some(fragment)));
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let has = |name: &str| {
        query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next().unwrap_or_default() == name))
    };
    let mut written = String::with_capacity(page.len() + 80);
    encode(&mut written, path, |byte| byte.is_ascii_graphic());
    let mut joint = '?';
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        written.push('?');
        encode(&mut written, query, |byte| byte.is_ascii_graphic());
        joint = '&';
    }
    for (name, value) in parameters.iter().filter(|(name, _)| !has(name)) {
        written.push(joint);
        encode(&mut written, name, is_plain);
        written.push('=');
        encode(&mut written, value, is_plain);
        joint = '&';
    }
    if let Some(fragment) = fragment {
        written.push('#');
        encode(&mut written, fragment, |byte| byte.is_ascii_graphic());
    }
    written
}

/// RFC 3986's unreserved characters.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn encode(written: &mut String, text: &str, stays: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if stays(byte) {
            written.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(written, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(page: &str) -> String {
        let pairs = [("utm_source", "kairos"), ("utm_campaign", "spring & more")];
        with_parameters(page, &pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn parameters_stand_behind_those_that_are_there() {
        const BOTH: &str = "utm_source=kairos&utm_campaign=spring%20%26%20more";
        for (page, expected) in [
            ("https://shop.example", format!("https://shop.example?{BOTH}")),
            ("https://shop.example/a", format!("https://shop.example/a?{BOTH}")),
            ("https://shop.example/a?", format!("https://shop.example/a?{BOTH}")),
            ("https://shop.example/a?b=1&c", format!("https://shop.example/a?b=1&c&{BOTH}")),
            ("https://shop.example/a?b=1#top", format!("https://shop.example/a?b=1&{BOTH}#top")),
            ("https://shop.example/#/route?x=1", format!("https://shop.example/?{BOTH}#/route?x=1")),
            (
                "https://shop.example/?utm_source=print",
                "https://shop.example/?utm_source=print&utm_campaign=spring%20%26%20more".to_owned(),
            ),
            (
                "https://shop.example/?utm_campaign&utm_source=",
                "https://shop.example/?utm_campaign&utm_source=".to_owned(),
            ),
            ("https://shop.example/é%C3%A9", format!("https://shop.example/%C3%A9%C3%A9?{BOTH}")),
        ] {
            assert_eq!(with(page), expected, "{page}");
        }
        assert_eq!(with_parameters("https://shop.example/a?b#c", &[]), "https://shop.example/a?b#c");
    }

    proptest! {
        #[test]
        fn whatever_the_page_it_can_stand_in_a_header(page in ".{0,80}", value in ".{0,20}") {
            let written = with_parameters(&page, &[("a".to_owned(), value)]);
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{}", written);
        }
    }
}
