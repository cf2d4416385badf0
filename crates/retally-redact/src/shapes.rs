//! The shapes of the keys that services give out, as their documentation shows them.

use crate::value::Value;

/// A shape in which a secret comes.
pub(crate) struct Shape {
    /// What stands in the mark.
    pub(crate) kind: &'static str,
    /// Texts of which one stands in each secret of this shape or in front of it, in whatever case;
    /// where none does, the pattern is not looked for.
    pub(crate) anchors: &'static [&'static str],
    /// The first of its groups that takes part is the secret; without one the whole match is.
    pub(crate) pattern: &'static str,
    pub(crate) proof: Proof,
}

/// What a match must be to be a secret, beyond what its pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing else has this shape.
    Shape,
    /// It holds a digit and a letter: plain words fit the pattern too.
    Mixed,
    /// It is no words with hyphens between them either.
    Random,
    /// It is nothing that is filled in later. People may have thought it up.
    Filled,
    /// It is no words either. People may have thought it up.
    Credential,
    /// It is assigned to a word, and is no code. People may have thought it up.
    Assigned(Value),
}

impl Shape {
    /// Returns whether secrets of this shape can be found by trying: then nothing may be written
    /// that a guess could be checked against.
    pub(crate) fn is_guessable(&self) -> bool {
        matches!(
            self.proof,
            Proof::Filled | Proof::Credential | Proof::Assigned(_)
        )
    }
}

const fn of(
    proof: Proof,
    kind: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
) -> Shape {
    Shape {
        kind,
        anchors,
        pattern,
        proof,
    }
}

const fn shape(
    kind: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
) -> Shape {
    of(Proof::Shape, kind, anchors, pattern)
}

const fn mixed(
    kind: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
) -> Shape {
    of(Proof::Mixed, kind, anchors, pattern)
}

/// Stands for two dots with six characters between them, which is no word.
pub(crate) const SPACED_DOTS: &str = "..";

/// The pattern of a value that is assigned to a word, of some least length: in quotes of either
/// kind, which may be escaped, or bare.
macro_rules! assigned {
    ($word:literal, $length:literal) => {
        concat!(
            r#"(?i)(?:"#,
            $word,
            r#"["'`\\]{0,4}\s{0,3}(?:=>|:=|[:=])[:=]?\s{0,3}\\{0,3}|--[a-z-]{0,20}"#,
            $word,
            r#" {1,3})(?:"((?:[^"\\\s]|\\[^"\s]){"#,
            $length,
            r#",})|'((?:[^'\\\s]|\\[^'\s]){"#,
            $length,
            r#",})|`?([!#$%*+./0-9:=?@A-Z^_a-z~-]{"#,
            $length,
            r#",}))"#
        )
    };
}

/// All shapes. Of two that begin at one place the longer names the kind, else the earlier.
pub(crate) const SHAPES: &[Shape] = &[
    shape(
        "private-key",
        &["PRIVATE KEY"],
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    mixed("anthropic", &["sk-ant-"], r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    mixed("openrouter", &["sk-or-"], r"\bsk-or-[A-Za-z0-9_-]{20,}"),
    shape("langfuse", &["sk-lf-"], r"\bsk-lf-[a-f0-9-]{36}"),
    mixed(
        "openai",
        &["sk-proj-", "sk-svcacct-", "sk-admin-"],
        r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}",
    ),
    of(
        Proof::Random,
        "openai",
        &["sk-"],
        r"\bsk-[A-Za-z0-9_-]{20,}",
    ),
    shape(
        "github",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"\b(?:gh[pour]_[A-Za-z0-9]{36,}|ghs_[A-Za-z0-9_.-]{36,})",
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
            "glimt-", "gloas-", "glrtr-", "glffct-", "glwt-",
        ],
        r"\bgl(?:pat|ptt|dt|rt|rtr|cbt|soat|agent|ft|ffct|imt|oas|wt)-[A-Za-z0-9_.-]{20,}",
    ),
    shape("gitlab", &["GR1348941"], r"\bGR1348941[A-Za-z0-9_-]{20,}"),
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
    shape("google", &["AQ.Ab"], r"\bAQ\.Ab[A-Za-z0-9_-]{40,}"),
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
    shape(
        "hugging-face",
        &["hf_", "api_org_"],
        r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}",
    ),
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
    mixed(
        "azure",
        &["Q~"],
        r"\b[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
    ),
    shape(
        "jwt",
        &["eyJ"],
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    of(
        Proof::Filled,
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"'<>`|\\]{0,100}:([^\s/?#"'<>`|\\]{3,300})@"#,
    ),
    mixed(
        "url-password",
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://([A-Za-z0-9_-]{20,300})@"#,
    ),
    of(
        Proof::Credential,
        "authorization",
        &["bearer", "basic", "authorization"],
        concat!(
            r#"\b(?i:(?:bearer|basic) {1,4}|authorization\s{1,3}token\s{1,3}"#,
            r#"|authorization["'\\]{0,4}\s{0,3}[:=]\s{0,3}["'\\]{0,4}"#,
            r#"(?:(?:bearer|basic|token|bot|api-?key|key) {1,4})?)([A-Za-z0-9._~+/-]{16,}=*)"#,
        ),
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
    // The number of a bot in base64, a time, and the secret.
    mixed(
        "discord",
        &[SPACED_DOTS],
        r"\b(?:M[Tjz]|N[DTjz]|O[DT])[A-Za-z0-9_-]{22,26}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,45}",
    ),
    shape("digitalocean", &["_v1_"], r"\bdo[opr]_v1_[a-f0-9]{64}"),
    shape("databricks", &["dapi"], r"\bdapi[a-f0-9]{32}"),
    shape("groq", &["gsk_"], r"\bgsk_[A-Za-z0-9]{40,}"),
    shape("replicate", &["r8_"], r"\br8_[A-Za-z0-9]{30,}"),
    shape("xai", &["xai-"], r"\bxai-[A-Za-z0-9]{40,}"),
    shape("nvidia", &["nvapi-"], r"\bnvapi-[A-Za-z0-9_-]{40,}"),
    shape("cerebras", &["csk-"], r"\bcsk-[a-z0-9]{40,}"),
    mixed("together", &["tgp_v1_"], r"\btgp_v1_[A-Za-z0-9_-]{30,}"),
    mixed(
        "langsmith",
        &["lsv2_"],
        r"\blsv2_(?:pt|sk)_[A-Za-z0-9]{20,}(?:_[A-Za-z0-9]+)?",
    ),
    mixed("tavily", &["tvly-"], r"\btvly-[A-Za-z0-9_-]{20,}"),
    shape("pinecone", &["pcsk_"], r"\bpcsk_[A-Za-z0-9_]{50,}"),
    mixed("jina", &["jina_"], r"\bjina_[A-Za-z0-9_-]{40,}"),
    shape("elevenlabs", &["sk_"], r"\bsk_[a-f0-9]{48}\b"),
    shape("firecrawl", &["fc-"], r"\bfc-[a-f0-9]{32}\b"),
    shape("e2b", &["e2b_"], r"\be2b_[a-f0-9]{40}\b"),
    shape("llama-cloud", &["llx-"], r"\bllx-[A-Za-z0-9]{40,}"),
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
    shape(
        "terraform",
        &[".atlasv1."],
        r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",
    ),
    shape(
        "doppler",
        &[
            "dp.pt.",
            "dp.st.",
            "dp.ct.",
            "dp.sa.",
            "dp.scim.",
            "dp.audit.",
        ],
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b",
    ),
    shape(
        "fly",
        &["fm1_", "fm2_", "fm1r_", "fm1a_", "fo1_"],
        r"\b(?:fm1[ra]?_|fm2_|fo1_)[A-Za-z0-9+/=_-]{40,}(?:,fm[12][ra]?_[A-Za-z0-9+/=_-]{40,})*",
    ),
    shape("heroku", &["HRKU-"], r"\bHRKU-[A-Za-z0-9_-]{30,}"),
    shape("pulumi", &["pul-"], r"\bpul-[a-f0-9]{40}\b"),
    shape(
        "planetscale",
        &["pscale_"],
        r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,}",
    ),
    shape("alibaba", &["LTAI"], r"\bLTAI[A-Za-z0-9]{20}\b"),
    shape("rubygems", &["rubygems_"], r"\brubygems_[a-f0-9]{48}\b"),
    shape("buildkite", &["bkua_"], r"\bbkua_[a-f0-9]{40}\b"),
    shape("circleci", &["CCIPAT_"], r"\bCCIPAT_[A-Za-z0-9_-]{40,}"),
    shape("sourcegraph", &["sgp_"], r"\bsgp_[A-Za-z0-9_]{40,}"),
    shape("artifactory", &["AKCp"], r"\bAKCp[A-Za-z0-9]{69,}\b"),
    shape("1password", &["ops_eyJ"], r"\bops_eyJ[A-Za-z0-9+/=_-]{60,}"),
    mixed(
        "square",
        &["sq0csp-", "sq0atp-"],
        r"\bsq0(?:csp|atp)-[A-Za-z0-9_-]{20,}",
    ),
    mixed("dropbox", &["sl."], r"\bsl\.(?:u\.)?[A-Za-z0-9_-]{60,}"),
    shape(
        "mapbox",
        &["sk.eyJ"],
        r"\bsk\.eyJ[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}",
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
    of(
        Proof::Assigned(Value::Password),
        "assignment",
        &["passw", "passphrase"],
        assigned!("(?:passw(?:or)?d|passphrase)", "8"),
    ),
    of(
        Proof::Assigned(Value::Token),
        "assignment",
        &[
            "api_key",
            "api-key",
            "apikey",
            "secret",
            "token",
            "access_key",
            "access-key",
            "accesskey",
            "private_key",
            "private-key",
            "privatekey",
            "auth_key",
            "auth-key",
            "authkey",
        ],
        assigned!(
            "(?:api[_-]?key|secret(?:[_-]?key)?|token|(?:access|private|auth)[_-]?key)",
            "12"
        ),
    ),
];
