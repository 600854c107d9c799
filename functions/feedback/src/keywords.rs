//! The keywords by which people speak to a number, in the languages of the templates and those around.

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// Who writes there, and how to end it.
    Help,
}

/// Each keyword with its language. STOP, START and HELP are understood everywhere; so are CTIA's other words for them
/// (<https://api.ctia.org/wp-content/uploads/2023/05/230523-CTIA-Messaging-Principles-and-Best-Practices-FINAL.pdf>, 5.1.3).
const KEYWORDS: [(&str, &str, Keyword); 54] = [
    ("stop", "en", Keyword::Stop),
    ("stopall", "en", Keyword::Stop),
    ("stop all", "en", Keyword::Stop),
    ("unsubscribe", "en", Keyword::Stop),
    ("cancel", "en", Keyword::Stop),
    ("end", "en", Keyword::Stop),
    ("quit", "en", Keyword::Stop),
    ("revoke", "en", Keyword::Stop),
    ("optout", "en", Keyword::Stop),
    ("opt out", "en", Keyword::Stop),
    ("opt-out", "en", Keyword::Stop),
    ("stopp", "de", Keyword::Stop),
    ("abmelden", "de", Keyword::Stop),
    ("abbestellen", "de", Keyword::Stop),
    ("ende", "de", Keyword::Stop),
    ("arret", "fr", Keyword::Stop),
    ("arrêt", "fr", Keyword::Stop),
    ("arrêter", "fr", Keyword::Stop),
    ("désabonner", "fr", Keyword::Stop),
    ("desabonner", "fr", Keyword::Stop),
    ("baja", "es", Keyword::Stop),
    ("parar", "es", Keyword::Stop),
    ("alto", "es", Keyword::Stop),
    ("cancelar", "es", Keyword::Stop),
    ("стоп", "ru", Keyword::Stop),
    ("отписаться", "ru", Keyword::Stop),
    ("отмена", "ru", Keyword::Stop),
    ("відписатися", "uk", Keyword::Stop),
    ("скасувати", "uk", Keyword::Stop),
    ("start", "en", Keyword::Start),
    ("unstop", "en", Keyword::Start),
    ("subscribe", "en", Keyword::Start),
    ("resume", "en", Keyword::Start),
    ("anmelden", "de", Keyword::Start),
    ("weiter", "de", Keyword::Start),
    ("reprendre", "fr", Keyword::Start),
    ("abonner", "fr", Keyword::Start),
    ("alta", "es", Keyword::Start),
    ("reanudar", "es", Keyword::Start),
    ("старт", "ru", Keyword::Start),
    ("подписаться", "ru", Keyword::Start),
    ("підписатися", "uk", Keyword::Start),
    ("help", "en", Keyword::Help),
    ("info", "en", Keyword::Help),
    ("hilfe", "de", Keyword::Help),
    ("aide", "fr", Keyword::Help),
    ("ayuda", "es", Keyword::Help),
    ("помощь", "ru", Keyword::Help),
    ("справка", "ru", Keyword::Help),
    ("допомога", "uk", Keyword::Help),
    ("довідка", "uk", Keyword::Help),
    ("aiuto", "it", Keyword::Help),
    ("fine", "it", Keyword::Stop),
    ("inizio", "it", Keyword::Start),
];

/// Words that mean STOP whatever stands behind them: nobody who writes "stop it!!!" wants another message.
const STOP_FIRST: [&str; 6] = ["stop", "stopp", "unsubscribe", "arret", "arrêt", "стоп"];

/// Longest text that is looked at as a keyword, in characters.
const CHARS_MAX: usize = 40;

/// The keyword that a text is, with its language.
pub fn keyword(text: &str) -> Option<(Keyword, &'static str)> {
    let plain = |character: char| !character.is_alphanumeric();
    let text: String = text.trim_matches(plain).chars().take(CHARS_MAX + 1).collect::<String>().to_lowercase();
    if text.chars().count() > CHARS_MAX {
        return None;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let whole = words.join(" ");
    let known = |text: &str| KEYWORDS.iter().find(|(word, ..)| *word == text).map(|(_, tag, keyword)| (*keyword, *tag));
    known(&whole).or_else(|| {
        let first = words.first()?.trim_matches(plain);
        STOP_FIRST.contains(&first).then(|| known(first)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keywords_are_understood_as_people_write_them() {
        use Keyword::{Help, Start, Stop};
        for (text, expected) in [
            ("STOP", Some((Stop, "en"))),
            (" Stop. ", Some((Stop, "en"))),
            ("\"STOP\"", Some((Stop, "en"))),
            ("stop   all", Some((Stop, "en"))),
            ("Stop it!!!", Some((Stop, "en"))),
            ("Stopp bitte", Some((Stop, "de"))),
            ("СТОП", Some((Stop, "ru"))),
            ("Arrêt", Some((Stop, "fr"))),
            ("Відписатися", Some((Stop, "uk"))),
            ("start", Some((Start, "en"))),
            ("Hilfe?", Some((Help, "de"))),
            ("ДОПОМОГА", Some((Help, "uk"))),
            // Words that also begin other sentences count only alone.
            ("End of the street, please", None),
            ("Cancel my order 12", None),
            ("help me choose", None),
            ("Don't stop", None),
            ("", None),
            ("!!!", None),
            ("stop and tell me, please, where my parcel from last week is now", None),
        ] {
            assert_eq!(keyword(text), expected, "{text}");
        }
    }

    #[test]
    fn no_word_means_two_things() {
        for (index, (word, ..)) in KEYWORDS.iter().enumerate() {
            assert!(KEYWORDS[..index].iter().all(|(other, ..)| other != word), "{word} stands there twice");
            assert_eq!(keyword(word).map(|(keyword, _)| keyword), Some(KEYWORDS[index].2), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = keyword(&text);
        }
    }
}
