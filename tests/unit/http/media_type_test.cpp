#include "tollgate/protocol/http/media_type.hpp"

#include <gtest/gtest.h>

namespace tollgate::protocol::http {
namespace {

TEST(MediaType, is_the_value_without_parameters_and_white_space) {
  EXPECT_EQ(media_type("application/json"), "application/json");
  EXPECT_EQ(media_type(" \tText/Event-Stream \t; charset=utf-8; a=b"), "Text/Event-Stream");
  EXPECT_EQ(media_type("form-data;name=a"), "form-data");
  EXPECT_EQ(media_type(""), "");
  EXPECT_EQ(media_type(" \t"), "");
  EXPECT_EQ(media_type(";charset=utf-8"), "");
}

TEST(MediaType, is_compared_as_a_whole_and_in_any_case) {
  EXPECT_TRUE(is_media_type("text/event-stream", "text/event-stream"));
  EXPECT_TRUE(is_media_type("TEXT/EVENT-STREAM ;charset=utf-8", "text/event-stream"));
  EXPECT_FALSE(is_media_type("text/event-streams", "text/event-stream"));
  EXPECT_FALSE(is_media_type("a text/event-stream", "text/event-stream"));
  EXPECT_FALSE(is_media_type("text/plain; text/event-stream", "text/event-stream"));
  EXPECT_FALSE(is_media_type("", "text/event-stream"));
}

TEST(MediaType, json_by_its_name_or_its_suffix) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "a/b+json",
                           "application/problem+JSON ;a=b", " application/json "})
    EXPECT_TRUE(is_json(type)) << type;
  for (const char* type : {"", "+json", "json", "text/json", "application/jsonl", "application/jso",
                           "application/x-ndjson", "text/plain; application/json", "a/b+jsonx",
                           "application/x-www-form-urlencoded"})
    EXPECT_FALSE(is_json(type)) << type;
}

TEST(MediaType, binary_only_where_no_text_can_be) {
  for (const char* type :
       {"audio/mpeg", "IMAGE/png", "video/mp4; codecs=a", "font/woff2", "application/octet-stream",
        "application/PDF", "application/zip", "application/gzip", "application/x-gzip",
        "application/x-tar", "application/wasm "})
    EXPECT_TRUE(is_binary(type)) << type;
  for (const char* type :
       {"", "image/", "image", "image/svg+xml", "IMAGE/SVG+XML; charset=utf-8", "text/plain",
        "application/json", "application/octet-streams", "multipart/mixed", "x/y; image/png"})
    EXPECT_FALSE(is_binary(type)) << type;
}

}  // namespace
}  // namespace tollgate::protocol::http
