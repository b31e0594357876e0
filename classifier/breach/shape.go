package breach

import "strings"

// shape is how the access keys of one service look.
type shape struct {
	prefix     string
	rule, note string
	min, max   int    // characters after the prefix
	chars      string // allowed beside letters and digits
	only       func(c byte) bool
	weight     float64
}

func base32upper(c byte) bool { return upper(c) || c >= '2' && c <= '7' }
func lowerHex(c byte) bool    { return digit(c) || c >= 'a' && c <= 'f' }
func anyHex(c byte) bool      { return isHex(c) }

// shapeList has the longer of two prefixes first where one begins the other.
// ref: the services' own documentation and the patterns that GitHub's secret
// scanning lists per partner
var shapeList = []shape{
	{prefix: "AKIA", rule: "aws-key", note: "AWS access key", min: 16, max: 16, only: base32upper, weight: 3.6},
	{prefix: "ASIA", rule: "aws-key", note: "AWS temporary access key", min: 16, max: 16, only: base32upper, weight: 3.4},
	{prefix: "ABIA", rule: "aws-key", note: "AWS bearer token", min: 16, max: 16, only: base32upper, weight: 3.4},
	{prefix: "ABSKQmVkcm9ja0FQSUtleS", rule: "aws-key", note: "AWS Bedrock key", min: 80, max: 260, chars: "+/=", weight: 4},
	{prefix: "LTAI", rule: "alibaba-key", note: "Alibaba Cloud access key", min: 16, max: 26, weight: 3},
	{prefix: "AIza", rule: "google-key", note: "Google API key", min: 35, max: 35, chars: "_-", weight: 3.4},
	{prefix: "GOCSPX-", rule: "google-secret", note: "Google OAuth secret", min: 28, max: 28, chars: "_-", weight: 4},
	{prefix: "ya29.", rule: "google-token", note: "Google access token", min: 60, max: 400, chars: "_-", weight: 3.4},
	{prefix: "ghp_", rule: "github-token", note: "GitHub personal token", min: 36, max: 255, weight: 4},
	{prefix: "gho_", rule: "github-token", note: "GitHub OAuth token", min: 36, max: 255, weight: 4},
	{prefix: "ghu_", rule: "github-token", note: "GitHub user token", min: 36, max: 255, weight: 4},
	{prefix: "ghs_", rule: "github-token", note: "GitHub server token", min: 36, max: 255, weight: 4},
	{prefix: "ghr_", rule: "github-token", note: "GitHub refresh token", min: 36, max: 255, weight: 4},
	{prefix: "github_pat_", rule: "github-token", note: "GitHub fine-grained token", min: 60, max: 255, chars: "_", weight: 4},
	{prefix: "glpat-", rule: "gitlab-token", note: "GitLab token", min: 20, max: 300, chars: "_-.", weight: 4},
	{prefix: "gldt-", rule: "gitlab-token", note: "GitLab deploy token", min: 20, max: 64, chars: "_-", weight: 4},
	{prefix: "glrt-", rule: "gitlab-token", note: "GitLab runner token", min: 20, max: 64, chars: "_-", weight: 4},
	{prefix: "glptt-", rule: "gitlab-token", note: "GitLab trigger token", min: 40, max: 40, weight: 4},
	{prefix: "GR1348941", rule: "gitlab-token", note: "GitLab runner registration", min: 20, max: 20, chars: "_-", weight: 4},
	{prefix: "npm_", rule: "npm-token", note: "npm token", min: 36, max: 36, weight: 4},
	{prefix: "pypi-AgE", rule: "pypi-token", note: "PyPI token", min: 50, max: 400, chars: "_-", weight: 4},
	{prefix: "rubygems_", rule: "rubygems-key", note: "RubyGems key", min: 48, max: 48, only: lowerHex, weight: 4},
	{prefix: "dckr_pat_", rule: "docker-token", note: "Docker Hub token", min: 24, max: 40, chars: "_-", weight: 4},
	{prefix: "sk_live_", rule: "stripe-key", note: "Stripe live secret key", min: 24, max: 255, weight: 4},
	{prefix: "rk_live_", rule: "stripe-key", note: "Stripe live restricted key", min: 24, max: 255, weight: 4},
	{prefix: "whsec_", rule: "stripe-key", note: "webhook signing secret", min: 32, max: 64, chars: "+/=", weight: 3},
	{prefix: "shpat_", rule: "shopify-token", note: "Shopify token", min: 32, max: 32, only: anyHex, weight: 4},
	{prefix: "shpca_", rule: "shopify-token", note: "Shopify custom app token", min: 32, max: 32, only: anyHex, weight: 4},
	{prefix: "shppa_", rule: "shopify-token", note: "Shopify private app token", min: 32, max: 32, only: anyHex, weight: 4},
	{prefix: "shpss_", rule: "shopify-token", note: "Shopify shared secret", min: 32, max: 32, only: anyHex, weight: 4},
	{prefix: "sq0atp-", rule: "square-token", note: "Square access token", min: 22, max: 22, chars: "_-", weight: 4},
	{prefix: "sq0csp-", rule: "square-token", note: "Square OAuth secret", min: 43, max: 43, chars: "_-", weight: 4},
	{prefix: "EAAAE", rule: "square-token", note: "Square access token", min: 55, max: 60, chars: "_-", weight: 3.4},
	{prefix: "EAAA", rule: "facebook-token", note: "Facebook or Square token", min: 56, max: 300, chars: "_-", weight: 3},
	{prefix: "SG.", rule: "sendgrid-key", note: "SendGrid key", min: 60, max: 80, chars: "_-.", weight: 4},
	{prefix: "SK", rule: "twilio-key", note: "Twilio key", min: 32, max: 32, only: lowerHex, weight: 2.6},
	{prefix: "key-", rule: "mailgun-key", note: "Mailgun key", min: 32, max: 32, only: lowerHex, weight: 3},
	{prefix: "xkeysib-", rule: "brevo-key", note: "Brevo key", min: 64, max: 90, chars: "-", weight: 4},
	{prefix: "xoxb-", rule: "slack-token", note: "Slack bot token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xoxp-", rule: "slack-token", note: "Slack user token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xoxa-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xoxr-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xoxs-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xoxe-", rule: "slack-token", note: "Slack refresh token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "xapp-", rule: "slack-token", note: "Slack app token", min: 24, max: 255, chars: "-", weight: 4},
	{prefix: "dop_v1_", rule: "digitalocean-token", note: "DigitalOcean token", min: 64, max: 64, only: lowerHex, weight: 4},
	{prefix: "doo_v1_", rule: "digitalocean-token", note: "DigitalOcean OAuth token", min: 64, max: 64, only: lowerHex, weight: 4},
	{prefix: "dor_v1_", rule: "digitalocean-token", note: "DigitalOcean refresh token", min: 64, max: 64, only: lowerHex, weight: 4},
	{prefix: "HRKU-", rule: "heroku-key", note: "Heroku key", min: 36, max: 70, chars: "_-", weight: 4},
	{prefix: "sk-ant-", rule: "anthropic-key", note: "key of a language model's service", min: 32, max: 255, chars: "_-", weight: 4},
	{prefix: "sk-proj-", rule: "openai-key", note: "key of a language model's service", min: 40, max: 255, chars: "_-", weight: 4},
	{prefix: "sk-or-v1-", rule: "api-key", note: "key of a language model's service", min: 64, max: 64, only: lowerHex, weight: 4},
	{prefix: "sk-", rule: "api-key", note: "API key", min: 32, max: 255, chars: "_-", weight: 3},
	{prefix: "gsk_", rule: "api-key", note: "key of a language model's service", min: 52, max: 52, weight: 4},
	{prefix: "pplx-", rule: "api-key", note: "key of a language model's service", min: 40, max: 64, weight: 3.4},
	{prefix: "hf_", rule: "huggingface-token", note: "Hugging Face token", min: 34, max: 40, weight: 4},
	{prefix: "r8_", rule: "replicate-token", note: "Replicate token", min: 37, max: 40, weight: 4},
	{prefix: "NRAK-", rule: "newrelic-key", note: "New Relic key", min: 27, max: 27, weight: 3.6},
	{prefix: "ATATT3", rule: "atlassian-token", note: "Atlassian token", min: 100, max: 255, chars: "_-=", weight: 4},
	{prefix: "lin_api_", rule: "linear-key", note: "Linear key", min: 40, max: 40, weight: 4},
	{prefix: "ntn_", rule: "notion-token", note: "Notion token", min: 43, max: 50, weight: 4},
	{prefix: "hvs.", rule: "vault-token", note: "Vault token", min: 24, max: 200, chars: "_-", weight: 3.6},
	{prefix: "dp.pt.", rule: "doppler-token", note: "Doppler token", min: 40, max: 44, weight: 4},
	{prefix: "dapi", rule: "databricks-token", note: "Databricks token", min: 32, max: 32, only: lowerHex, weight: 3.4},
	{prefix: "glsa_", rule: "grafana-token", note: "Grafana token", min: 40, max: 44, chars: "_", weight: 4},
	{prefix: "glc_", rule: "grafana-token", note: "Grafana Cloud token", min: 40, max: 400, chars: "+/=", weight: 3.6},
	{prefix: "sntrys_", rule: "sentry-token", note: "Sentry token", min: 60, max: 400, chars: "+/=_", weight: 4},
	{prefix: "sbp_", rule: "supabase-token", note: "Supabase token", min: 40, max: 40, only: lowerHex, weight: 4},
	{prefix: "PMAK-", rule: "postman-key", note: "Postman key", min: 59, max: 59, chars: "-", weight: 4},
	{prefix: "pul-", rule: "pulumi-token", note: "Pulumi token", min: 40, max: 40, only: lowerHex, weight: 4},
	{prefix: "tskey-", rule: "tailscale-key", note: "Tailscale key", min: 24, max: 80, chars: "-", weight: 4},
	{prefix: "figd_", rule: "figma-token", note: "Figma token", min: 38, max: 44, chars: "_-", weight: 4},
	{prefix: "pscale_", rule: "planetscale-token", note: "PlanetScale token", min: 40, max: 60, chars: "_-.", weight: 4},
	{prefix: "aio_", rule: "adafruit-key", note: "Adafruit IO key", min: 28, max: 28, weight: 3.4},
	{prefix: "AQVN", rule: "yandex-key", note: "Yandex Cloud key", min: 35, max: 38, chars: "_-", weight: 3.4},
	{prefix: "AGE-SECRET-KEY-1", rule: "private-key", note: "age secret key", min: 58, max: 58, weight: 6},
	{prefix: "xprv", rule: "wallet-key", note: "extended private key of a wallet", min: 107, max: 107, weight: 6},
}

// shapes is shapeList by first byte.
var shapes = func() (by [256][]shape) {
	for _, sh := range shapeList {
		if sh.rule != "" {
			by[sh.prefix[0]] = append(by[sh.prefix[0]], sh)
		}
	}
	return by
}()

// token finds access keys by their shape; wordEnd is the end of the run of
// letters and digits at i.
func (s *scanner) token(i, wordEnd int) bool {
	t := s.text
	if i > 0 && (t[i-1] == '_' || t[i-1] == '-') {
		return false
	}
	switch n := wordEnd - i; {
	case t[i] == 'e' && n >= 17 && strings.HasPrefix(t[i:], "eyJ"):
		return s.jwt(i)
	case n >= 23 && n <= 28 && t[i] >= 'M' && t[i] <= 'O' && wordEnd < len(t) && t[wordEnd] == '.' && s.discord(i, wordEnd):
		return true
	case n >= 80 && t[i] == 'A' && s.twitter(i, wordEnd):
		return true
	}
	for k := range shapes[t[i]] {
		sh := &shapes[t[i]][k]
		if !strings.HasPrefix(t[i:], sh.prefix) {
			continue
		}
		from := i + len(sh.prefix)
		to := from
		for to < len(t) && to-from <= sh.max && (alnum(t[to]) || strings.IndexByte(sh.chars, t[to]) >= 0) {
			if sh.only != nil && !sh.only(t[to]) {
				break
			}
			to++
		}
		for to > from && (t[to-1] == '.' || t[to-1] == '-') && to-from > sh.min {
			to--
		}
		if n := to - from; n < sh.min || n > sh.max || to < len(t) && (alnum(t[to]) || t[to] == '_') || !random(t[from:to]) {
			continue
		}
		s.secret(i, to, sh.rule, sh.weight, sh.note)
		return true
	}
	return false
}
