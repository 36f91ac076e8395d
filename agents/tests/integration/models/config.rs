//! Files of models, and names of models without a file.

use agents::model::config::presets::find;
use agents::model::config::{MaxTokensParameter, ModelConfig, ModelsFile, Parameter, ToolCalling};
use agents::model::price::Price;
use serde_json::json;
use sim::diagnostic::Source;
use sim::time::SimDuration;

const HEADING: &str = "apiVersion: sockpit/v1alpha1\nkind: Models\n";

fn load(text: &str) -> Result<ModelsFile, String> {
    let source = Source { path: "models.yaml".into(), text: format!("{HEADING}{text}") };
    ModelsFile::load(&source).map(|file| file.value).map_err(|mistakes| mistakes.to_string())
}

/// A file with all options that there are.
const ALL: &str = "models:
  gpt-4.1:
    base_url: https://api.openai.com/v1
    model: gpt-4.1-2025-04-14
    api_key_env: OPENAI_API_KEY
    temperature: 0.5
    max_tokens: 2000
    max_tokens_parameter: max_completion_tokens
    omit: [seed, tool_choice]
    extra:
      reasoning_effort: low
      provider: {order: [a, b], strict: true}
    tool_calling: none-text
    must_call: true
    parallel_calls: false
    seed: 7
    timeout: 1m30s
    retries: 0
    requests_per_minute: 60
    max_concurrent: 2
    context_tokens: 8192
    price: {input: 2, output: 8.5}
  small: {base_url: \"http://127.0.0.1:8080/v1\", model: smollm2}
";

#[test]
fn a_file_reads_as_it_says() {
    let file = load(ALL).unwrap();
    let big = ModelConfig {
        api_key_env: Some("OPENAI_API_KEY".into()),
        temperature: 0.5,
        max_tokens: 2_000,
        max_tokens_parameter: MaxTokensParameter::MaxCompletionTokens,
        omit: [Parameter::Seed, Parameter::ToolChoice].into(),
        extra: [
            ("provider".to_owned(), json!({"order": ["a", "b"], "strict": true})),
            ("reasoning_effort".to_owned(), json!("low")),
        ]
        .into(),
        tool_calling: ToolCalling::NoneText,
        must_call: true,
        parallel_calls: false,
        seed: Some(7),
        timeout: SimDuration::from_secs(90),
        retries: 0,
        requests_per_minute: Some(60),
        max_concurrent: 2,
        context_tokens: Some(8_192),
        price: Some(Price { input: 2.0, output: 8.5 }),
        ..ModelConfig::new("https://api.openai.com/v1", "gpt-4.1-2025-04-14")
    };
    assert_eq!(file.models["gpt-4.1"], big);
    assert_eq!(big.answer_tokens(), 2_000);
    assert_eq!(file.models["small"], ModelConfig::new("http://127.0.0.1:8080/v1", "smollm2"));
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<ModelsFile>(&text).unwrap(), file, "written, it reads the same");
}

#[test]
fn every_mistake_is_told_at_once() {
    let check = |text: &str, expected: &[&str]| {
        let told = load(text).unwrap_err();
        for part in expected {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(
            told.matches("error: ").count(),
            expected.iter().filter(|part| part.contains("models.yaml")).count(),
            "{told}"
        );
    };
    check("models: {}\n", &["models.yaml:3: models: there is no model"]);
    check(
        "models:\n  a:\n    base_url: nowhere\n    model: ''\n    temperature: 3\n    max_tokens: 0\n    timeout: 0s\n    \
         retries: 100\n    max_concurrent: 0\n    context_tokens: 5\n    price: {input: -1, output: .nan}\n",
        &[
            "models.yaml:5: models.a.base_url: `nowhere` is no URL",
            "write where the API begins",
            "models.yaml:6: models.a.model: is empty",
            "models.yaml:7: models.a.temperature: 3 is out of range",
            "models.yaml:8: models.a.max_tokens: 0 is out of range",
            "models.yaml:9: models.a.timeout: 0s is out of range",
            "models.yaml:10: models.a.retries: 100 is out of range",
            "models.yaml:11: models.a.max_concurrent: 0 is out of range",
            "models.yaml:12: models.a.context_tokens: 5 is out of range",
            "models.yaml:13: models.a.price.input: -1 is out of range",
            "models.yaml:13: models.a.price.output: NaN is out of range",
        ],
    );
    check(
        "models:\n  b:\n    base_url: http://h/v1\n    model: m\n    temprature: 1\n    tool_calling: json\n    omit: [top_p]\n",
        &[
            "models.yaml:7: models.b.temprature: unknown field `temprature`",
            "temperature",
            "models.yaml:8: models.b.tool_calling",
            "json-schema",
            "models.yaml:9: models.b.omit[0]",
        ],
    );
    check(
        "models:\n  \"openai:x\": {base_url: \"ftp://h\", model: m}\n  c: {base_url: \"http://h/v1/chat/completions\", \
         model: m, extra: {temperature: 1, messages: []}}\n",
        &[
            "models.yaml:4: models.openai:x: `openai:x` is no name for a model",
            "models.yaml:4: models.openai:x.base_url: `ftp://h` is not an http or https URL",
            "models.yaml:5: models.c.base_url: `http://h/v1/chat/completions` is the whole path of a request",
            "models.yaml:5: models.c.extra.messages: `messages` is set by sockpit itself",
            "models.yaml:5: models.c.extra.temperature: `temperature` is set by sockpit itself",
        ],
    );
}

#[test]
fn a_key_in_a_file_is_refused_and_not_shown() {
    let check = |line: &str, part: &str| {
        let told = load(&format!("models:\n  a:\n    base_url: http://h/v1\n    model: m\n    {line}\n")).unwrap_err();
        assert!(told.contains(part), "{told}");
        assert!(!told.to_lowercase().contains("canary"), "{told}");
    };
    let name = "is not the name of an environment variable";
    check("api_key_env: sk-canary-4711", name);
    check("api_key_env: gsk_canary4711", name);
    check("api_key_env: CANARYcanary4711", name);
    check("api_key: sk-canary-4711", "unknown field `api_key`");
    let address = |url: &str| load(&format!("models: {{a: {{base_url: \"{url}\", model: m}}}}\n")).unwrap_err();
    for url in ["http://canary@h/v1", "http://u:canary@h/v1", "http://h/v1?key=canary", "http://h/v1#canary"] {
        let told = address(url);
        assert!(told.contains("has more than a host and a path"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn names_say_server_and_model() {
    let check = |name: &str, base_url: &str, model: &str, api_key_env: Option<&str>| {
        let found = find(name, None).unwrap_or_else(|unknown| panic!("{unknown}"));
        let expected = ModelConfig { api_key_env: api_key_env.map(Into::into), ..ModelConfig::new(base_url, model) };
        assert_eq!(found, expected, "{name}");
    };
    check("openai:gpt-4o-mini", "https://api.openai.com/v1", "gpt-4o-mini", Some("OPENAI_API_KEY"));
    check("openrouter:qwen/qwen3-8b", "https://openrouter.ai/api/v1", "qwen/qwen3-8b", Some("OPENROUTER_API_KEY"));
    check("ollama:llama3.2:3b", "http://127.0.0.1:11434/v1", "llama3.2:3b", None);
    check("ollama:llama3.2:3b@http://gpu-box:11434/v1", "http://gpu-box:11434/v1", "llama3.2:3b", None);
    check("llama.cpp", "http://127.0.0.1:8080/v1", "default", None);
    check("llama.cpp:smollm2", "http://127.0.0.1:8080/v1", "smollm2", None);
    check("llama.cpp@http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1", "default", None);
    check("server:qwen3@https://10.0.0.7:8000/v1", "https://10.0.0.7:8000/v1", "qwen3", None);
    check(
        "openai:m@https://r.openai.azure.com/openai/v1",
        "https://r.openai.azure.com/openai/v1",
        "m",
        Some("OPENAI_API_KEY"),
    );
    check("openrouter:@preset/x", "https://openrouter.ai/api/v1", "@preset/x", Some("OPENROUTER_API_KEY"));
}

#[test]
fn a_name_that_is_none_says_what_to_write() {
    let file = load(ALL).unwrap();
    let check = |name: &str, parts: &[&str]| {
        let told = find(name, Some(&file)).unwrap_err().to_string();
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    };
    assert_eq!(find("small", Some(&file)).unwrap().model, "smollm2");
    check("smal", &["there is no model `smal`", "did you mean `small`?", "(gpt-4.1, small)", "openai:gpt-4o-mini"]);
    check("opnai:gpt-4o", &["did you mean `openai:gpt-4o`?"]);
    check("gpt-4o", &["there is no model `gpt-4o`", "servers: openai"]);
    check("openai", &["write `openai:MODEL`"]);
    check("openai:", &["write `openai:MODEL`"]);
    check("server:m", &["write `server:m@http://HOST:PORT/v1`"]);
    check("server:m@http://", &["the base URL"]);
    check("openai:m@https://h/v1/chat/completions", &["whole path of a request"]);
}
