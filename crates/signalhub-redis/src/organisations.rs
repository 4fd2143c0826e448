//! Which node an organisation of PrintFactory is connected to: one key for each organisation, which expires unless its node renews it.
//!
//! The value is the name of the node, the random text of its start, the number of the connection there, and when the connection began, in
//! milliseconds since 1970 by the clock of Redis: `node/boot/number/begun`. A node whose claim another node overwrites finds the number of its connection
//! in a list of its own.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{FromRedisValue, Script, ScriptInvocation};
use signalhub_connections::BoxFuture;
use signalhub_dialects::printfactory::{
    ClaimNumber, ClaimsUnavailable, OrganisationClaim, OrganisationClaims, SecondConnection,
};

use crate::link::{Instance, Instances};
use crate::nodes::Nodes;

/// How long a claim lasts that is not renewed.
const EXPIRY: Duration = Duration::from_secs(15);

/// How many numbers of replaced connections are read at once.
const BATCH: usize = 500;

/// `KEYS`: claims. `ARGV`: this node, `refuse` or `replace`, the expiry in ms, the prefix of the lists of replaced connections; then for each
/// claim its number, and how long ago its connection began in ms, or -1 for a first claim. Returns the places of those that another node keeps.
///
/// Ages are not exact, so a claim that is renewed is the newer one only by 100 ms. A value that is no claim is overwritten.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('time')
        local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
        local lost = {}
        for place, key in ipairs(KEYS) do
            local number, age = ARGV[2 * place + 3], tonumber(ARGV[2 * place + 4])
            local begun = age < 0 and now or now - age
            local claim = redis.pcall('get', key)
            local node, other, since
            if type(claim) == 'string' then node, other, since = string.match(claim, '^([^/]+/[^/]+)/(%d+)/(%d+)$') end
            local is_foreign = node and node ~= ARGV[1]
            if is_foreign and (ARGV[2] == 'refuse' or (age >= 0 and tonumber(since) + 100 > begun)) then
                lost[#lost + 1] = place
            else
                if is_foreign then
                    redis.call('rpush', ARGV[4] .. node, other)
                    redis.call('pexpire', ARGV[4] .. node, 60000)
                end
                redis.call('set', key, ARGV[1] .. '/' .. number .. '/' .. string.format('%.0f', begun), 'PX', ARGV[3])
            end
        end
        return lost",
    )
});

/// `KEYS`: claims. `ARGV`: this node, then the number of each claim.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for place, key in ipairs(KEYS) do
            local own = ARGV[1] .. '/' .. ARGV[place + 1] .. '/'
            local claim = redis.pcall('get', key)
            if type(claim) == 'string' and string.sub(claim, 1, #own) == own then redis.call('del', key) end
        end",
    )
});

/// The claims of organisations in Redis: all at one of the servers.
#[derive(Clone)]
pub struct RedisOrganisations(Arc<Inner>);

struct Inner {
    instance: Instance,
    prefix: Box<str>,
    /// The name of this node, and the random text of its start.
    node: Box<str>,
}

impl RedisOrganisations {
    /// Claims organisations for this node.
    #[must_use]
    pub fn new(instances: &Instances, prefix: &str, nodes: &Nodes) -> Self {
        let node = format!("{}/{}", nodes.own_name(), nodes.own_boot()).into();
        let instance = instances.of(format!("{prefix}pf").as_bytes()).clone();
        Self(Arc::new(Inner { instance, prefix: prefix.into(), node }))
    }
}

impl Inner {
    fn key(&self, organisation: &str) -> String {
        format!("{}pf:{organisation}", self.prefix)
    }

    /// What the name of a node is appended to in the key of its list.
    fn replaced(&self) -> String {
        format!("{}pf-replaced:", self.prefix)
    }

    /// Runs a script on the link for commands.
    async fn invoke<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, ClaimsUnavailable> {
        let mut connection = self.instance.commands().map_err(|error| ClaimsUnavailable(error.to_string()))?;
        invocation.invoke_async(&mut connection).await.map_err(|error| {
            self.instance.doubt();
            ClaimsUnavailable(error.to_string())
        })
    }
}

impl OrganisationClaims for RedisOrganisations {
    fn claim(
        &self,
        claims: Vec<OrganisationClaim>,
        second: SecondConnection,
    ) -> BoxFuture<Result<Vec<ClaimNumber>, ClaimsUnavailable>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut invocation = CLAIM.prepare_invoke();
            invocation.arg(&*inner.node).arg(match second {
                SecondConnection::Refuse => "refuse",
                SecondConnection::Replace => "replace",
            });
            invocation.arg(milliseconds(EXPIRY)).arg(inner.replaced());
            for OrganisationClaim { organisation, number, age } in &claims {
                invocation.key(inner.key(organisation)).arg(number.0).arg(age.map_or(-1, milliseconds));
            }
            let lost: Vec<usize> = inner.invoke(&invocation).await?;
            Ok(lost.iter().filter_map(|place| claims.get(place.checked_sub(1)?)).map(|claim| claim.number).collect())
        })
    }

    fn replaced(&self) -> BoxFuture<Result<Vec<ClaimNumber>, ClaimsUnavailable>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let unavailable = |error: &dyn fmt::Display| ClaimsUnavailable(error.to_string());
            let mut connection = inner.instance.commands().map_err(|error| unavailable(&error))?;
            let mut command = redis::cmd("LPOP");
            command.arg(inner.replaced() + &inner.node).arg(BATCH);
            let numbers: Option<Vec<Vec<u8>>> = command.query_async(&mut connection).await.map_err(|error| {
                inner.instance.doubt();
                unavailable(&error)
            })?;
            let number = |text: Vec<u8>| std::str::from_utf8(&text).ok()?.parse().ok().map(ClaimNumber);
            Ok(numbers.unwrap_or_default().into_iter().filter_map(number).collect())
        })
    }

    fn release(&self, claims: Vec<(Arc<str>, ClaimNumber)>) -> BoxFuture<Result<(), ClaimsUnavailable>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut invocation = RELEASE.prepare_invoke();
            invocation.arg(&*inner.node);
            for (organisation, number) in &claims {
                invocation.key(inner.key(organisation)).arg(number.0);
            }
            inner.invoke(&invocation).await
        })
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for RedisOrganisations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOrganisations").field("node", &self.0.node).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
