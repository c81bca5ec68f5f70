#include "server/api_keys.h"

#include <gtest/gtest.h>

#include <set>

namespace ingot {
namespace api_keys_test {

std::vector<std::string> some_keys(size_t count) {
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) out.push_back("key-" + std::to_string(i));
  return out;
}

TEST(ApiKeys, EachIsATenantOfItsOwn) {
  for (const size_t count : {1, 2, 15, 16, 17, 32, 33, 100}) {
    const ApiKeys keys(some_keys(count));
    EXPECT_FALSE(keys.empty());
    std::set<uint64_t> tenants;
    for (const std::string& key : some_keys(count)) {
      const auto tenant = keys.tenant_of(key);
      ASSERT_TRUE(tenant.has_value()) << key << " of " << count;
      tenants.insert(tenant->low);
      EXPECT_EQ(keys.tenant_of(key), ApiKeys({key}).tenant_of(key)) << "whatever others there are";
    }
    EXPECT_EQ(tenants.size(), count);
    EXPECT_FALSE(keys.tenant_of("key-" + std::to_string(count)).has_value());
  }
}

TEST(ApiKeys, OthersAreUnknown) {
  const ApiKeys keys({"secret", std::string(1000, 'k')});
  for (const std::string& shown :
       {std::string(), std::string("secre"), std::string("secret "), std::string("Secret"),
        std::string("secret\0", 7), std::string(999, 'k'), std::string(1001, 'k')}) {
    EXPECT_FALSE(keys.tenant_of(shown).has_value()) << shown;
  }
  EXPECT_TRUE(keys.tenant_of("secret").has_value());
  EXPECT_TRUE(keys.tenant_of(std::string(1000, 'k')).has_value());
}

TEST(ApiKeys, NoneKnowsNobody) {
  const ApiKeys keys({});
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.tenant_of("").has_value());
}

}  // namespace api_keys_test
}  // namespace ingot
