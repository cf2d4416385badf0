//! The shapes of the keys that services give out, as their documentation shows them.

/// A shape in which a secret comes.
pub(crate) struct Shape {
    /// What stands in the mark.
    pub(crate) kind: &'static str,
    /// Texts of which one stands in each secret of this shape or in front of it, in whatever case;
    /// where none does, the pattern is not looked for.
    pub(crate) anchors: &'static [&'static str],
    /// Its first group is the secret; without one the whole match is.
    pub(crate) pattern: &'static str,
    /// Whether it must hold a digit and a letter to be one: its pattern alone fits plain words.
    pub(crate) is_mixed: bool,
}

const fn shape(
    kind: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
) -> Shape {
    Shape {
        kind,
        anchors,
        pattern,
        is_mixed: false,
    }
}

const fn mixed(
    kind: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
) -> Shape {
    Shape {
        kind,
        anchors,
        pattern,
        is_mixed: true,
    }
}

/// All shapes. Of two that begin at one place the longer names the kind, else the earlier.
pub(crate) const SHAPES: &[Shape] = &[
    shape(
        "private-key",
        &["PRIVATE KEY"],
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    mixed("anthropic", &["sk-ant-"], r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    mixed("openai", &["sk-"], r"\bsk-[A-Za-z0-9_-]{20,}"),
    shape(
        "github",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    ),
    shape(
        "github",
        &["github_pat_"],
        r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    ),
    mixed(
        "gitlab",
        &[
            "glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "glsoat-", "glagent-", "glft-",
            "glimt-", "gloas-",
        ],
        r"\bgl(?:pat|ptt|dt|rt|cbt|soat|agent|ft|imt|oas)-[A-Za-z0-9_.-]{20,}",
    ),
    shape(
        "aws",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    ),
    shape(
        "aws",
        &[
            "secret_access_key",
            "secretaccesskey",
            "aws_secret",
            "aws-secret",
        ],
        r#"(?i)(?:secret_?access_?key|aws[_-]secret(?:[_-]key)?)["'\s:=]{1,8}([A-Za-z0-9/+]{40})"#,
    ),
    shape("google", &["AIza"], r"\bAIza[A-Za-z0-9_-]{35}"),
    shape("google", &["ya29."], r"\bya29\.[A-Za-z0-9_-]{20,}"),
    shape("google", &["GOCSPX-"], r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    mixed(
        "slack",
        &["xox", "xapp-"],
        r"\b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}",
    ),
    shape(
        "slack",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/+_-]{20,})",
    ),
    shape(
        "stripe",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_"],
        r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    ),
    shape("stripe", &["whsec_"], r"\bwhsec_[A-Za-z0-9+/=]{24,}"),
    shape("hugging-face", &["hf_"], r"\bhf_[A-Za-z0-9]{30,}"),
    shape("npm", &["npm_"], r"\bnpm_[A-Za-z0-9]{36,}"),
    shape("pypi", &["pypi-"], r"\bpypi-AgE[A-Za-z0-9_-]{40,}"),
    shape(
        "azure",
        &["AccountKey=", "SharedAccessKey="],
        r"(?i)\b(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{40,}={0,2})",
    ),
    shape(
        "azure",
        &["sig="],
        r"[?&]sig=([A-Za-z0-9%+/]{30,}(?:=|%3D)*)",
    ),
    shape(
        "jwt",
        &["eyJ"],
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    shape(
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"'<>]{0,100}:([^\s/?#@"'<>$][^\s/?#@"'<>]{2,300})@"#,
    ),
    mixed(
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://([A-Za-z0-9_-]{20,300})@"#,
    ),
    mixed(
        "authorization",
        &["bearer", "basic", "authorization"],
        r"(?i)\b(?:bearer|basic|authorization:?\s+token)\s+([A-Za-z0-9._~+/-]{16,}=*)",
    ),
    shape(
        "sendgrid",
        &["SG."],
        r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    ),
    shape("twilio", &["SK"], r"\bSK[0-9a-f]{32}\b"),
    shape(
        "telegram",
        &[":AA"],
        r"\b(?:bot)?([0-9]{8,10}:AA[A-Za-z0-9_-]{33})",
    ),
    shape(
        "discord",
        &["/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/[0-9]+/([A-Za-z0-9_-]{40,})",
    ),
    shape("digitalocean", &["_v1_"], r"\bdo[opr]_v1_[a-f0-9]{64}"),
    shape("databricks", &["dapi"], r"\bdapi[a-f0-9]{32}"),
    shape("groq", &["gsk_"], r"\bgsk_[A-Za-z0-9]{40,}"),
    shape("replicate", &["r8_"], r"\br8_[A-Za-z0-9]{30,}"),
    shape("xai", &["xai-"], r"\bxai-[A-Za-z0-9]{40,}"),
    shape("perplexity", &["pplx-"], r"\bpplx-[A-Za-z0-9]{40,}"),
    mixed(
        "vault",
        &["hvs.", "hvb.", "hvr."],
        r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}",
    ),
    mixed(
        "docker",
        &["dckr_"],
        r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    ),
    shape("linear", &["lin_"], r"\blin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    shape(
        "notion",
        &["secret_", "ntn_"],
        r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}",
    ),
    shape("postman", &["PMAK-"], r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    shape(
        "age",
        &["AGE-SECRET-KEY-"],
        r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,}",
    ),
    shape(
        "grafana",
        &["glsa_", "glc_"],
        r"\b(?:glsa|glc)_[A-Za-z0-9_+/=]{32,}",
    ),
    shape(
        "sentry",
        &["sntrys_", "sntryu_"],
        r"\bsntry[su]_[A-Za-z0-9+/=_-]{40,}",
    ),
    shape("new-relic", &["NRAK-"], r"\bNRAK-[A-Z0-9]{27}"),
    shape(
        "shopify",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    ),
    shape("mailgun", &["key-"], r"\bkey-[0-9a-f]{32}\b"),
    shape(
        "atlassian",
        &["ATATT3", "ATCTT3", "ATBB"],
        r"\b(?:ATATT3|ATCTT3|ATBB)[A-Za-z0-9_=-]{20,}",
    ),
    shape("supabase", &["sbp_"], r"\bsbp_[a-f0-9]{40}"),
    mixed(
        "tailscale",
        &["tskey-"],
        r"\btskey-[a-z]+-[A-Za-z0-9-]{16,}",
    ),
    shape("netlify", &["nfp_"], r"\bnfp_[A-Za-z0-9]{36,}"),
    shape("figma", &["figd_"], r"\bfigd_[A-Za-z0-9_-]{36,}"),
    shape("crates-io", &["cio"], r"\bcio[A-Za-z0-9]{32}\b"),
    mixed(
        "assignment",
        &["passw"],
        r#"(?i)passw(?:or)?d\\?["']?(?:\s{0,3}[:=]\s{0,3}|\s)\\?["']?([A-Za-z0-9_.+/~!#%^*-]{8,})"#,
    ),
    mixed(
        "assignment",
        &["--"],
        r#"(?i)--(?:password|token|secret|api-key)[ =]["']?([A-Za-z0-9_.+/~!#%^*-]{8,})"#,
    ),
    mixed(
        "assignment",
        &["key", "secret", "token", "passw"],
        r#"(?i)(?:api[_-]?key|secret|token|passw(?:or)?d|access[_-]?key|private[_-]?key)\\?["']?\s{0,3}[:=]\s{0,3}\\?["']?([A-Za-z0-9_.+/~-]{12,}={0,2})"#,
    ),
];
