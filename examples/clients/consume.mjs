// Taking and returning a seat with the AWS SDK for JavaScript.
//
// In one shell: meterguard emulator. In another, with the export lines it prints, in this folder:
// npm install --no-package-lock, then node consume.mjs. The licence is the one that the emulator has.
import assert from "node:assert/strict";
import {
  CheckInLicenseCommand,
  CheckoutLicenseCommand,
  ExtendLicenseConsumptionCommand,
  GetLicenseUsageCommand,
  LicenseManagerClient,
  ListReceivedLicensesCommand,
  NoEntitlementsAllowedException,
} from "@aws-sdk/client-license-manager";

const client = new LicenseManagerClient({});
const { Licenses: [licence] } = await client.send(new ListReceivedLicensesCommand({}));
const used = async () => {
  const { LicenseUsage } = await client.send(new GetLicenseUsageCommand({ LicenseArn: licence.LicenseArn }));
  return Number(LicenseUsage.EntitlementUsages.find(({ Name }) => Name === "Seats").ConsumedValue);
};
const take = (ClientToken, Value) =>
  client.send(
    new CheckoutLicenseCommand({
      ProductSKU: licence.ProductSKU,
      KeyFingerprint: licence.Issuer.KeyFingerprint,
      CheckoutType: "PROVISIONAL",
      Entitlements: [{ Name: "Seats", Unit: "Count", Value }],
      ClientToken,
    }),
  );

const { LicenseConsumptionToken } = await take("one", "2");
assert.equal((await take("one", "2")).LicenseConsumptionToken, LicenseConsumptionToken, "a replay takes nothing");
assert.equal(await used(), 2);
const { Expiration } = await client.send(new ExtendLicenseConsumptionCommand({ LicenseConsumptionToken }));
assert.ok(Date.parse(Expiration) > Date.now());
console.log("2 seats checked out and extended");

await assert.rejects(take("two", "2"), NoEntitlementsAllowedException);
console.log("2 of 3 seats are taken, 2 more are refused");

await client.send(new CheckInLicenseCommand({ LicenseConsumptionToken }));
assert.equal(await used(), 0);
console.log("checked in");
