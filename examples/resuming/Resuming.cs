// Subscriptions that miss no event: the wrapper of docs/history.md, for Microsoft.AspNetCore.SignalR.Client.

#nullable enable

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.SignalR.Client;

/// <summary>What the wrapper and most applications read of a notification.</summary>
public sealed record Notification(string E, string? R, JsonElement P);

/// <summary>Events that are missing.</summary>
public sealed record Gap(string From, string? First, string Reason);

/// <summary>
/// Subscribes, and asks after each reconnect for what was missed meanwhile. One thread at a time calls <c>onEvent</c>.
/// <c>onGap</c> is called with the request when events are missing, and fetches the state anew.
/// </summary>
/// <remarks>Build the connection with <c>WithAutomaticReconnect</c>, and a retry policy that does not give up.</remarks>
public sealed class Resuming
{
    private sealed record Answer(string Position, long Replayed, Gap? Gap);

    private sealed class Wanted(Dictionary<string, object?> request)
    {
        public Dictionary<string, object?> Request { get; } = request;

        /// <summary>Everything up to this position was handled.</summary>
        public string? Since { get; set; }

        /// <summary>The epoch before that of <see cref="Since"/>: the server was restarted.</summary>
        public string? FormerEpoch { get; set; }
    }

    private readonly HubConnection connection;
    private readonly Action<Notification> onEvent;
    private readonly Func<IReadOnlyDictionary<string, object?>, Gap, Task> onGap;
    private readonly ConcurrentDictionary<string, Wanted> wanted = new(); // One request for each event.
    private readonly object handling = new();

    public Resuming(
        HubConnection connection,
        Action<Notification> onEvent,
        Func<IReadOnlyDictionary<string, object?>, Gap, Task> onGap)
    {
        (this.connection, this.onEvent, this.onGap) = (connection, onEvent, onGap);
        connection.On<Notification>("OnEvent", notification => Handle(notification));
        connection.On<string, string>("OnPosition", (name, position) => { Moved(wanted.GetValueOrDefault(name), position); });
        // In a cluster, events can also be lost while the connection stands.
        connection.On<string, Gap>("OnGap", (name, gap) => wanted.TryGetValue(name, out var one) ? onGap(one.Request, gap) : Task.CompletedTask);
        connection.Reconnected += _ => Task.WhenAll(wanted.Values.Select(AskAgainAsync));
    }

    /// <summary>Subscribes, with a request such as <c>new() { ["e"] = "portos.licence.activated" }</c>.</summary>
    public Task SubscribeAsync(Dictionary<string, object?> request)
    {
        var one = new Wanted(request);
        wanted[(string)request["e"]!] = one;
        return AskAsync(one);
    }

    private async Task AskAsync(Wanted one)
    {
        string? since;
        lock (handling)
        {
            since = one.Since;
        }
        var request = new Dictionary<string, object?>(one.Request) { ["since"] = since };
        var answer = await connection.InvokeAsync<Answer>("Subscribe", request);
        // This client does not wait for handlers before it completes a call: those of replayed events move the position.
        if (answer.Replayed == 0 || answer.Gap is not null)
        {
            Moved(one, answer.Position);
        }
        if (answer.Gap is not null)
        {
            await onGap(one.Request, answer.Gap);
        }
    }

    private async Task AskAgainAsync(Wanted one)
    {
        try
        {
            await AskAsync(one);
        }
        catch (Exception)
        {
            // A connection that is lost again asks again after its next reconnect.
        }
    }

    private void Handle(Notification notification)
    {
        lock (handling)
        {
            // Events of a lost connection may still wait for their handler when the next connection is asked for the same ones.
            var one = wanted.GetValueOrDefault(notification.E);
            if (one is null || Moved(one, notification.R))
            {
                onEvent(notification);
            }
        }
    }

    /// <summary>Remembers a position; false if a later one was reached before.</summary>
    private bool Moved(Wanted? one, string? position)
    {
        if (one is null || position is null)
        {
            return true;
        }
        lock (handling)
        {
            var (epoch, offset) = Parts(position);
            if (one.Since is not null)
            {
                var (reachedEpoch, reachedOffset) = Parts(one.Since);
                if (epoch == one.FormerEpoch || (epoch == reachedEpoch && offset <= reachedOffset))
                {
                    return false;
                }
                if (epoch != reachedEpoch)
                {
                    one.FormerEpoch = reachedEpoch;
                }
            }
            one.Since = position;
            return true;
        }
    }

    private static (string Epoch, ulong Offset) Parts(string position)
    {
        var parts = position.Split(':');
        return (parts[0], ulong.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}
