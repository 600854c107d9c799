use super::{data, text};
use kairos_engine::bounds::{
    RENDERED_BYTES_MAX, TEMPLATE_DEPTH_MAX, TEMPLATE_ITERATIONS_MAX, TEMPLATE_SOURCE_BYTES_MAX,
};
use kairos_messages::{RenderError, Setting, TemplateKind, check_template};
use std::time::{Duration, Instant};

const PART: &str = "webhook text";

#[test]
fn loops_share_one_budget_and_a_range_is_never_spelled_out() {
    let began = Instant::now();
    for template in [
        "{% for i in (1..999999999) %}{% endfor %}",
        "{% for i in (1..999999999) reversed %}{% endfor %}",
        "{% for i in (-999999999..999999999) offset: 999999999 %}{% endfor %}",
        "{% for i in (1..40) %}{% for j in (1..40) %}{% endfor %}{% endfor %}",
        "{% assign n = 999999999 | times: 9 %}{% for i in (1..n) %}x{% endfor %}",
    ] {
        assert_eq!(text(template, &data()), Err(RenderError::TooManyIterations { part: PART }), "{template}");
    }
    let exactly = format!("{{% for i in (1..{TEMPLATE_ITERATIONS_MAX}) %}}x{{% endfor %}}");
    assert_eq!(text(&exactly, &data()).unwrap().len(), TEMPLATE_ITERATIONS_MAX);
    assert!(text("{% for i in (1..999999999) limit: 3 %}{{ i }}{% endfor %}", &data()).is_ok_and(|text| text == "123"));
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
}

#[test]
fn the_slowest_templates_end_soon() {
    let began = Instant::now();
    for part in ["{{''}}", "{%if 1%}{%endif%}", "{%assign a=1%}", "{%for j in cart.items%}{%endfor%}"] {
        let body = part.repeat((TEMPLATE_SOURCE_BYTES_MAX - 40) / part.len());
        let _ = text(&format!("{{% for i in (1..1000) %}}{body}{{% endfor %}}"), &data());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
}

#[test]
fn nothing_grows_past_its_limit() {
    let began = Instant::now();
    let kilobyte = "x".repeat(900);
    let doubling = "{% assign x = 'ab' %}{% for i in (1..60) %}{% assign x = x | append: x %}{% endfor %}";
    let replacing =
        "{% assign x = 'aa' %}{% for i in (1..60) %}{% assign x = x | replace: 'a', 'aaaaaaaa' %}{% endfor %}";
    let many_names: String = (0..1_500).map(|number| format!("{{% assign x{number} = x | append: 'y' %}}")).collect();
    for (template, expected) in [
        (format!("{{% for i in (1..1000) %}}{kilobyte}{{% endfor %}}"), RenderError::TooLarge { part: PART }),
        (doubling.to_owned(), RenderError::TooMuchWork { part: PART }),
        (replacing.to_owned(), RenderError::TooLarge { part: PART }),
        (format!("{{% assign x = '{kilobyte}' %}}{many_names}"), RenderError::TooMuchWork { part: PART }),
        (
            format!(
                "{{% assign x = '{kilobyte}' %}}{{% for i in (1..1000) %}}{{% if x contains 'y{kilobyte}' %}}{{% endif %}}{{% endfor %}}"
            ),
            RenderError::TooMuchWork { part: PART },
        ),
    ] {
        assert_eq!(text(&template, &data()), Err(expected), "{template:.80}");
    }
    assert!(text(&"x".repeat(TEMPLATE_SOURCE_BYTES_MAX), &data()).is_ok_and(|text| text.len() < RENDERED_BYTES_MAX));
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
}

#[test]
fn a_template_is_bounded_in_size_and_depth() {
    let problem = |source: &str| {
        check_template(source, TemplateKind::Html, &Setting::default()).unwrap_err().remove(0).to_string()
    };
    assert!(problem(&"x".repeat(TEMPLATE_SOURCE_BYTES_MAX + 1)).contains("keep it to 65536 bytes"));
    let nested = |depth: usize| "{% if true %}".repeat(depth) + &"{% endif %}".repeat(depth);
    assert_eq!(check_template(&nested(TEMPLATE_DEPTH_MAX), TemplateKind::Html, &Setting::default()), Ok(()));
    assert!(problem(&nested(TEMPLATE_DEPTH_MAX + 1)).contains("nested deeper than 16"));
    assert!(problem(&format!("{{{{ '{}' }}}}", "x".repeat(2_000))).contains("longer than 1024 bytes"));
    let elsif = format!("{{% if true %}}{}{{% endif %}}", "{% elsif true %}".repeat(TEMPLATE_DEPTH_MAX));
    assert!(problem(&elsif).contains("nested deeper than 16"));
    assert!(problem(&nested(TEMPLATE_SOURCE_BYTES_MAX / 24)).contains("nested deeper than 16"));
    assert!(problem(&nested(10_000)).contains("keep it to 65536 bytes"));
    for open in ["(", "["] {
        assert!(problem(&format!("{{{{ user.id{} }}}}", open.repeat(1_000))).contains("brackets are nested too deep"));
    }
    assert!(problem(&format!("{{% if true{} %}}{{% endif %}}", " and true".repeat(200))).contains("longer than 1024"));
    // Long chains of anything else must not use up the stack or the time.
    let began = Instant::now();
    for part in [
        "[",
        "{{",
        "{%",
        "(",
        "{{ user[",
        "{% if ",
        "'",
        "{{ a.",
        " ",
        "\n",
        "{{ 1 }}",
        "{{ '' }} ",
        "{% if a %}",
        "{% else %}",
        "{% assign a = 1 %}",
        "{{ a[",
        "{{ ((",
        "{%-",
        "<",
        "<!--",
        "<a b='",
        "{% raw %}",
    ] {
        let source = part.repeat(TEMPLATE_SOURCE_BYTES_MAX / part.len());
        let _ = check_template(&source, TemplateKind::Html, &Setting::default());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
}
