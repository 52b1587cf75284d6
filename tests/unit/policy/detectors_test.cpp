#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

struct Case {
  std::string text;
  std::string masked;  ///< "#" stands for the replacement
};

std::string expand(std::string pattern, const std::string& name) {
  for (std::size_t at = 0; (at = pattern.find('#', at)) != std::string::npos;) {
    const std::string replacement = "[REDACTED:" + name + "]";
    pattern.replace(at, 1, replacement);
    at += replacement.size();
  }
  return pattern;
}

void expect_all(const std::string& name, const std::vector<Case>& cases) {
  Compiled compiled({detector(name)});
  for (const Case& c : cases) EXPECT_EQ(compiled.mask(c.text), expand(c.masked, name)) << c.text;
}
void expect_untouched(const std::string& name, const std::vector<std::string>& texts) {
  Compiled compiled({detector(name)});
  for (const std::string& text : texts) EXPECT_EQ(compiled.mask(text), text);
}

TEST(EmailDetector, FindsAddresses) {
  expect_all("email", {{"jane@example.com", "#"},
                       {"Write to jane.doe+news_1@mail.example.co.uk.", "Write to #."},
                       {"<a href=\"mailto:j-d@example.org\">", "<a href=\"mailto:#\">"},
                       {"user=kwame@example.org&x=1", "user=#&x=1"},
                       {"a@b.co,c@d.io", "#,#"},
                       {"(x@y.example)", "(#)"},
                       {"почта\u00A0ivan@example.ru\u3002", "почта\u00A0#\u3002"},
                       {"\U0001F4E7me@example.com\U0001F4E7", "\U0001F4E7#\U0001F4E7"},
                       {"me%40example.com", "#"},
                       {"jon\u200B@example.com and jon@\u200Bexample.com", "# and #"},
                       {"x@sub-domain.xn--bcher-kva.xn--p1ai", "#"},
                       {"...dots@example.com", "...#"},
                       {"kim@corp.example_2024", "#_2024"},
                       {"one@two.example@three.example", "#"},
                       {std::string(64, 'l') + "@example.com", "#"},
                       {std::string(70, 'l') + "@example.com", "llllll#"}});
}

TEST(EmailDetector, LeavesOtherText) {
  expect_untouched("email", {"@Override", "text a @ b", "@example.com", "user@localhost", "a@b.c",
                             "a@b.com1", "icon@2x.png", "pkg@1.2.3", "a@.com", "a@@b.com", "@",
                             "%40", "me%4example.com", "a@b..com", "x@-.com", "10% @ 5.00"});
}

TEST(PaymentCardDetector, FindsCards) {
  expect_all("payment_card", {{"4111111111111111", "#"},
                              {"card 4111 1111 1111 1111, thanks", "card #, thanks"},
                              {"4111-1111-1111-1111", "#"},
                              {"5500 0000 0000 0004", "#"},
                              {"2223003122003222", "#"},
                              {"3782 822463 10005", "#"},
                              {"371449635398431", "#"},
                              {"3056 930902 5904", "#"},
                              {"6011000990139424.", "#."},
                              {"3530111333300000", "#"},
                              {"6304000000000000", "#"},
                              {"4222222222222", "#"},
                              {"4111\u00A01111\u00A01111\u00A01111", "#"},
                              {"5512\u20135453\u20131914\u20136647", "#"},
                              {"4111\u20111111\u20111111\u20111111", "#"},
                              {"\U0001F4B34111111111111111\U0001F4B3", "\U0001F4B3#\U0001F4B3"},
                              {"qty 5 4111 1111 1111 1111 12/27", "qty 5 # 12/27"},
                              {"4111 1111 1111 1111 123", "# 123"},
                              {"{\"pan\":\"4111111111111111\"}", "{\"pan\":\"#\"}"},
                              {"card_4111111111111111_x", "card_#_x"},
                              {"4111111111111111,5500000000000004", "#,#"},
                              {"x\\n4111111111111111", "x\\n#"}});
}

TEST(PaymentCardDetector, LeavesOtherNumbers) {
  expect_untouched("payment_card",
                   {"4111111111111112",         // Luhn off by one
                    "4111 1111 1111 1121",      //
                    "0000000000000000",         // no issuer
                    "9033808458684279",         // Luhn holds, no issuer
                    "411111111111111",          // 15 digits are no Visa
                    "41111111111111111111",     // 20 digits
                    "4477762626035191900349",   // a longer number whose front passes
                    "x4111111111111111",        // part of a word
                    "4111111111111111a",        //
                    "0.4111111111111111",       // a fraction
                    "4111111111111111.5",       //
                    "+4111111111111111",        // telephone
                    "4111  1111 1111 1111",     // two separators
                    "4111 1111-1111 1111",      // mixed separators
                    "41 11 11 11 11 11 11 11",  // not how cards are written
                    "1732400000000", "2026-11-23 10:15:00", "d41d8cd98f00b204e9800998ecf8427e",
                    "ISBN 978-3-16-148410-0"});
}

TEST(IbanDetector, FindsIbans) {
  expect_all("iban", {{"DE89370400440532013000", "#"},
                      {"IBAN: DE89 3704 0044 0532 0130 00.", "IBAN: #."},
                      {"GB29 NWBK 6016 1331 9268 19 is mine", "# is mine"},
                      {"gb29nwbk60161331926819", "#"},
                      {"FR14 2004 1010 0505 0001 3M02 606", "#"},
                      {"NO93 8601 1117 947", "#"},
                      {"MT84MALT011000012345MTLCAST001S", "#"},
                      {"DE89 37040044 0532 0130 00", "#"},
                      {"BE68-5390-0754-7034", "#"},
                      {"DE89\u00A03704\u00A00044\u00A00532\u00A00130\u00A000", "#"},
                      {"\u00FCDE89370400440532013000\u00FC", "\u00FC#\u00FC"}});
}

TEST(IbanDetector, LeavesOtherText) {
  expect_untouched("iban", {"DE89370400440532013001",       // mod 97
                            "DE88370400440532013000",       //
                            "DE8937040044053201300",        // one short
                            "DE893704004405320130000",      // one long
                            "ZZ85444034530163895886",       // no such country
                            "XDE89370400440532013000",      // inside a word
                            "DE89 370400 440532 013000",    // odd grouping
                            "DE8 93704 0044 0532 0130 00",  //
                            "AB12345C", "no 15 of 2024", "DEAB370400440532013000"});
}

TEST(ApiKeyDetector, FindsVendorKeys) {
  using sample::mixed;
  const std::string hex64 = sample::kHex64, hex32 = sample::kHex32;
  std::vector<std::string> keys = {
      "AKIA"
      "RAUT2TTPH5HY3RBC",
      "ASIA"
      "RAUT2TTPH5HY3RBC",
      "ABIA"
      "RAUT2TTPH5HY3RBC",
      "ACCA"
      "RAUT2TTPH5HY3RBC",
      "ABSK" + mixed(120),
      "ghp_" + mixed(36),
      "gho_" + mixed(36),
      "ghu_" + mixed(36),
      "ghs_" + mixed(36),
      "ghr_" + mixed(36),
      "github_pat_" + mixed(22) + "_" + mixed(59),
      "glpat-" + mixed(20),
      "glpat-" + mixed(27) + ".01.0w1a2b3c4",
      "gldt-" + mixed(20),
      "glrt-" + mixed(20),
      "glcbt-64_" + mixed(20),
      "glptt-" + mixed(40),
      "glft-" + mixed(20),
      "glsoat-" + mixed(20),
      "sk-" + mixed(48),
      "sk-proj-" + mixed(60) + "T3BlbkFJ" + mixed(58),
      "sk-svcacct-" + mixed(60),
      "sk-admin-" + mixed(60),
      "sk-or-v1-" + hex64,
      "sk-ant-api03-" + mixed(93) + "AA",
      "sk-ant-admin01-" + mixed(93) + "AA",
      "sk-ant-oat01-" + mixed(80),
      "AIza" + mixed(35),
      "xoxa-2-" + mixed(30),
      "xoxb-348290708523-6852793357118-" + mixed(24),
      "xoxc-348290708523-" + mixed(24),
      "xoxd-" + mixed(40),
      "xoxe-1-" + mixed(40),
      "xoxo-348290708523-" + mixed(24),
      "xoxp-348290708523-6852793357118-" + mixed(32),
      "xoxr-348290708523-" + mixed(24),
      "xoxs-348290708523-" + mixed(24),
      "xapp-1-A0123456789-6852793357118-" + hex64,
      "https://hooks.slack.com/services/T01234567/B01234567/" + mixed(24),
      "https://hooks.slack.com/workflows/T01234567/A01234567/" + mixed(24),
      "https://hooks.slack.com/triggers/T01234567/123456789/" + mixed(24),
      "hooks.slack.com/services/T01234567/B01234567/" + mixed(24),
      "hooks.slack.com/workflows/T01234567/A01234567/" + mixed(24),
      "hooks.slack.com/triggers/T01234567/123456789/" + mixed(24),
      "sk_live_" + mixed(24),
      "sk_test_" + mixed(24),
      "sk_prod_" + mixed(24),
      "rk_live_" + mixed(24),
      "rk_test_" + mixed(24),
      "rk_prod_" + mixed(24),
      "whsec_" + mixed(32),
      "hf_" + mixed(34),
      "api_org_"
      "ELnObOxGiEpWIVFBLFbiILtCWkYofifgHb",
      "npm_" + mixed(36),
      "SG." + mixed(22) + "." + mixed(43),
      "SK" + hex32,
      "dapi" + hex32,
      "dop_v1_" + hex64,
      "doo_v1_" + hex64,
      "dor_v1_" + hex64,
      "hvs." + mixed(90),
      "hvb." + mixed(120),
      "tg-" + mixed(49),
  };
  Compiled compiled({detector("api_key")});
  const std::string hit = "[REDACTED:api_key]";
  for (const std::string& key : keys) {
    EXPECT_EQ(compiled.mask(key), hit) << key;
    EXPECT_EQ(compiled.mask("key=" + key + " end"), "key=" + hit + " end") << key;
    EXPECT_EQ(compiled.mask("\"" + key + "\""), "\"" + hit + "\"") << key;
    EXPECT_EQ(compiled.mask("schl\u00FCssel\u00FC" + key + "\u00FC"),
              "schl\u00FCssel\u00FC" + hit + "\u00FC")
        << key;
    EXPECT_EQ(compiled.mask("a\\n" + key + ". End"), "a\\n" + hit + ". End") << key;
    // Far too short: the prefix alone is prose.
    EXPECT_NE(compiled.mask(key.substr(0, 12)), hit) << key;
  }
}

TEST(ApiKeyDetector, LeavesNearMisses) {
  using sample::mixed;
  const std::string hex32 = sample::kHex32, hex64 = sample::kHex64;
  expect_untouched("api_key", {"pip install sk-learn and sk-image",
                               "task-force-proj-planning",
                               "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                               "sk-" + mixed(31),
                               "sk-some-long-class-name-made-of-words-only-with-dashes",
                               "sk-ant-colony-optimisation-of-a-graph",
                               "sk-proj-your-own-project-key-goes-here",
                               "AKIA"
                               "RAUT2TTPH5HY3RB",  // 15
                               "AKIA"
                               "RAUT2TTPH5HY3RBCD",  // 17
                               "XAKIA"
                               "RAUT2TTPH5HY3RBC",  // inside a word
                               "AKIAxxxxxxxxxxxxxxxx",
                               "ghp_" + mixed(35),
                               "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                               "hf_transfer",
                               "hf_" + mixed(33),
                               "npm_" + mixed(35),
                               "npm_" + mixed(37),
                               "npm_config_registry",
                               "xoxb-your-bot-token-goes-in-here",
                               "https://hooks.slack.com/services/",
                               "SG.short.key",
                               "SG." + mixed(21) + "." + mixed(43),
                               "SG." + mixed(22) + mixed(43),
                               "SG." + mixed(22) + "." + mixed(38),
                               "SK" + hex32.substr(1),
                               "SK" + hex32 + "a",
                               "SKU 1234",
                               "dapi" + hex32.substr(1),
                               "dapi" + hex32 + "0",
                               "dop_v1_" + hex64.substr(1),
                               "tg-" + mixed(39),
                               "https://example.com/tg-group",
                               "hvs.example",
                               "AIza" + mixed(34),
                               "glpat-" + mixed(19),
                               "the secret garden",
                               "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"});
}

TEST(ApiKeyDetector, CutsOverlongKeysAtTheirBound) {
  Compiled compiled({detector("api_key")});
  const std::string tail(400, 'z');
  EXPECT_EQ(compiled.mask("tg-" + sample::mixed(60) + tail), "[REDACTED:api_key]" + tail);
  // Also inside a run that another candidate, a failed one, has read further.
  const std::string front = "xoxb-" + std::string(100, 'x') + "-";
  EXPECT_EQ(compiled.mask(front + "tg-" + sample::mixed(60) + tail),
            front + "[REDACTED:api_key]" + tail);
}

TEST(PrivateKeyDetector, FindsBlocks) {
  std::vector<Case> cases;
  for (const std::string& label : std::vector<std::string>{
           "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY",
           "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"}) {
    for (const std::string& newline :
         std::vector<std::string>{"\n", "\r\n", "\\n", "\\\\n", " ", "\\n\" +\n  \"", "\n> "}) {
      const std::string block = pem_block(label, 5, newline);
      cases.push_back({"my key:\n" + block + "\nthanks", "my key:\n#\nthanks"});
    }
  }
  std::string body = pem_block("RSA PRIVATE KEY", 8);
  body.insert(body.find('\n') + 1,
              "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0123456789ABCDEF\n\n");
  cases.push_back({body, "#"});
  // Cut off: the material is masked, what follows is not.
  const std::string block = pem_block("PRIVATE KEY", 3);
  const std::size_t three_lines = block.find("ab3d5f");
  cases.push_back({block.substr(0, three_lines) + "and this is prose", "#\nand this is prose"});
  cases.push_back({block.substr(0, 27 + 1 + 40), "#"});
  cases.push_back({block + block, "##"});
  std::string ragged = "-----BEGIN PRIVATE KEY-----\n";
  for (int i = 0; i < 5; ++i) ragged += sample::mixed(60) + "\n" + sample::mixed(9) + "\n";
  cases.push_back({ragged + "-----END PRIVATE KEY-----", "#"});
  expect_all("private_key", cases);
}

TEST(PrivateKeyDetector, LeavesOtherBlocks) {
  expect_untouched(
      "private_key",
      {pem_block("CERTIFICATE", 3), pem_block("PUBLIC KEY", 3), "-----BEGIN PRIVATE KEY-----",
       "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
       "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKC...\n-----END PRIVATE KEY-----",
       "Keys start with -----BEGIN RSA PRIVATE KEY----- and a body of base64 follows that line",
       "-----BEGIN RSA PRIVATE KEY\n" + std::string(64, 'A'),
       "-----BEGIN PRIVATE KEYS-----\n" + sample::mixed(64)});
}

TEST(PrivateKeyDetector, EndsAtItsLargestSize) {
  Compiled compiled({detector("private_key")});
  const std::string text = "-----BEGIN PRIVATE KEY-----\n" + std::string(20'000, 'A');
  compiled.action(text);
  ASSERT_EQ(compiled.matches().size(), 1u);
  EXPECT_EQ(compiled.matches()[0].end, 16u * 1024);
}

TEST(Detectors, SurviveOddBytes) {
  Compiled compiled(all_detectors());
  for (int c = 0; c < 256; ++c) {
    const std::string byte(1, static_cast<char>(c));
    for (const std::string& text : std::vector<std::string>{
             byte, byte + byte + byte, "a@" + byte, byte + "@b.com", "4111" + byte + "1111",
             "DE" + byte, "sk-" + byte, "-----BEGIN " + byte}) {
      compiled.mask(text);
    }
  }
  const std::string nul("a\0b@c.de\0", 9);
  EXPECT_EQ(compiled.mask(nul), std::string("a\0[REDACTED:email]\0", 19));
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
